"""What the request inspector costs: the same load with it and without it, in turn."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import servers
from bench.servers import ROOT, Server

ROUNDS = 40  # short ones: the difference is smaller than that between two rounds, and smaller still than their drift
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
    """A row of the results: the part of all requests, over all rounds, that is lost under each load."""
    with inspected("inspect-on", book, home) as on, inspected("inspect-off", book, home, INSPECT="0") as off:
        answered = {name: {on.name: 0.0, off.name: 0.0} for name in loads}
        for number in range(ROUNDS):
            for name, load in loads.items():
                for server in (on, off) if number % 2 else (off, on):
                    answered[name][server.name] += load(server, SECONDS)
    lost = " and ".join(f"{1 - each[on.name] / each[off.name]:.1%}" for each in answered.values())
    what = f"{' and '.join(loads)}, 16 connections: throughput that the inspector costs"
    return what, lost, "5 %", "2 %"
