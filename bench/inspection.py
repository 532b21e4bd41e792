"""The cost of the request history: the same load with it and without it, in turn."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import servers
from bench.servers import Server
from control.config.settings import ROOT

ROUNDS = 40  # many short ones: two rounds differ by more than the cost that is measured, and they drift
SECONDS = 1

Load = Callable[[Server, int], float]  # (server, seconds) -> requests per second


@contextmanager
def engine(name: str, book: Path, home: Path, **settings: str) -> Iterator[Server]:
    """The engine, and a receiver of its records on the same machine."""
    server = Server(name, servers.engine, book, home, **settings)
    receiver = subprocess.Popen([servers.PYTHON, "-m", "bench.receiver", f"{server.run_dir}/records.sock"], cwd=ROOT)
    try:
        with server:
            yield server
    finally:
        receiver.terminate()
        receiver.wait()


def cost(book: Path, home: Path, loads: dict[str, Load]) -> tuple[str, str, str, str]:
    """A row of the results: by how much the throughput decreases, under each load, over all rounds."""
    with engine("inspect-on", book, home) as on, engine("inspect-off", book, home, INSPECT="0") as off:
        rates = {name: {on.name: 0.0, off.name: 0.0} for name in loads}
        for number in range(ROUNDS):
            for name, load in loads.items():
                for server in (on, off) if number % 2 else (off, on):
                    rates[name][server.name] += load(server, SECONDS)
    costs = " and ".join(f"{1 - rate[on.name] / rate[off.name]:.1%}" for rate in rates.values())
    what = f"{' and '.join(loads)}, 16 connections: throughput that the inspector costs"
    return what, costs, "5 %", "2 %"
