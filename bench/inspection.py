"""What the request inspector costs: the same load with it and without it, in turn."""

import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import servers
from bench.servers import ROOT, Server

ROUNDS = 25  # short ones: the difference is smaller than that between two rounds, and smaller still than their drift
SECONDS = 1

Load = Callable[[Server, int], float]  # for some seconds; returns requests per second


@contextmanager
def inspected(name: str, book: Path, home: Path, **settings: str) -> Iterator[Server]:
    """The engine, and beside it what takes its records in, on the same machine."""
    server = Server(name, servers.engine, book, home, **settings)
    receiver = subprocess.Popen([servers.PYTHON, "-m", "bench.receiver", f"{server.run_dir}/records.sock"], cwd=ROOT)
    try:
        with server:
            yield server
    finally:
        receiver.terminate()
        receiver.wait()


def cost(book: Path, home: Path, loads: dict[str, Load]) -> tuple[str, str, str, str]:
    """A row of the results: throughput that is lost under each load. Rounds are compared with their neighbours."""
    with inspected("inspect-on", book, home) as on, inspected("inspect-off", book, home, INSPECT="0") as off:
        lost: dict[str, list[float]] = {name: [] for name in loads}
        for number in range(ROUNDS):
            for name, load in loads.items():
                first, second = (on, off) if number % 2 else (off, on)
                rates = {server.name: load(server, SECONDS) for server in (first, second)}
                lost[name].append(1 - rates[on.name] / rates[off.name])
    what = f"{' and '.join(loads)}, 16 connections: throughput that the inspector costs"
    return what, " and ".join(f"{statistics.median(each):.1%}" for each in lost.values()), "5 %", "2 %"
