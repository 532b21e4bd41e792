"""The time from a program's start to its first response."""

import statistics
from pathlib import Path

from bench import notebook, servers
from bench.servers import Command, Server
from bench.throughput import Row

ROUNDS = 7


def rows(home: Path) -> list[Row]:
    """Of the engine against stock, and of a notebook of functions against one of cells that print."""
    prints = notebook.write(home / "prints.ipynb")
    returns = notebook.write(home / "returns.ipynb", notebook.RETURNS)
    programs: dict[str, tuple[Command, Path]] = {
        "stock": (servers.stock, prints),
        "engine": (servers.engine, prints),
        "functions": (servers.engine, returns),
    }
    stock, engine, functions = (statistics.median(times) for times in measure(programs, home).values())
    against_stock = f"{engine:.2f} s, {engine / stock:.2f} x"
    return [
        (f"start to first response, against stock ({stock:.2f} s)", against_stock, "0.3 x", "0.2 x"),
        ("added to it by functions that take models", f"{functions - engine:+.2f} s", "0.15 s", "0.1 s"),
    ]


def measure(programs: dict[str, tuple[Command, Path]], home: Path) -> dict[str, list[float]]:
    """Seconds by program, in alternating rounds."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(ROUNDS):
        for name, (command, book) in programs.items():
            with Server(f"start-{name}-{number}", command, book, home) as server:
                times[name].append(server.start_seconds)
    return times
