"""`python -m bench.receiver <socket>`: receives the records of requests as the control app does."""

import sys
from pathlib import Path

from control.traffic.batch_server import BatchServer
from control.traffic.counters import Counters
from control.traffic.history import History
from control.traffic.intake import Intake


def main() -> None:
    intake = Intake(History(), Counters(), inspect=True)
    with BatchServer(Path(sys.argv[1]), intake.add_batch) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
