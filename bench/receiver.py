"""`python -m bench.receiver <socket>`: takes in what is told of requests, as the control app does."""

import sys
from pathlib import Path

from control.traffic.batch_server import BatchServer
from control.traffic.counters import Counters
from control.traffic.history import History
from control.web.app import take


def main() -> None:
    inspector, totals = History(), Counters()
    with BatchServer(Path(sys.argv[1]), lambda batch: take(batch, inspector, totals)) as reception:
        reception.serve_forever()


if __name__ == "__main__":
    main()
