"""`python -m bench.run`: compares the engine with stock, Flask, FastAPI and Granian; writes bench/results.md.

Rounds alternate between the servers, so that a drift of the machine's speed affects all of them; the
figures are medians over the rounds.
"""

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import inspection, notebook, page, servers, several, starts, throughput
from bench.servers import Server
from bench.throughput import AUTHORIZATION, CASES, ROUNDS, SECONDS, Rates, Row, load, send_request

SOAK_REQUESTS = 100_000
RESULTS = Path(__file__).parent / "results.md"


def main() -> None:
    """Run all benchmarks, print and write the table."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="bench") as folder:
        home = Path(folder)
        book = notebook.write(home / "server.ipynb")
        rates, rows = throughput.measure(home)
        rows += [*concurrency(book, home), *memory(book, home), *starts.rows(home)]
        loads = {name: case_load(f"{name}, 16 connections", home) for name in ("GET", "POST 10 KB")}
        rows.append(inspection.cost(book, home, loads))
        rows += [*page.rows(), *several.rows()]
        if "--soak" in sys.argv:
            rows += soak(book, home)
    text = report(rates, rows)
    print(text)
    RESULTS.write_text(text, encoding="utf-8")


def case_load(name: str, home: Path) -> inspection.Load:
    return lambda server, seconds: load(server, CASES[name], home, seconds)


# -- awaiting and blocking cells


def concurrency(book: Path, home: Path) -> list[Row]:
    """The time of many concurrent requests, and the engine's overhead on a cell that takes 100 ms."""
    with Server("awaiting", servers.engine, book, home) as server:
        awaiting = statistics.median(send_concurrently(server, "/invoke/awaits_1s", 100) for _ in range(ROUNDS))
        overhead = statistics.median(overheads(server, "/invoke/blocks_100ms", 30))
    with Server("blocking", servers.engine, book, home, KERNELS="4") as server:
        blocking = statistics.median(send_concurrently(server, "/invoke/blocks_1s", 8) for _ in range(ROUNDS))
    return [
        ("100 requests at once to a cell that awaits 1 s, in all", f"{awaiting:.2f} s", "1.3 s", "1.1 s"),
        ("8 requests at once to a cell that blocks 1 s, 4 kernels", f"{blocking:.2f} s", "2.2 s", "2.1 s"),
        ("added to a cell that takes 100 ms", f"{overhead * 1000:.2f} ms", "1 ms", "0.5 ms"),
    ]


def send_concurrently(server: Server, path: str, count: int) -> float:
    with ThreadPoolExecutor(count) as pool:
        return measure(lambda: list(pool.map(lambda _: send_request(server, path), range(count))))


def measure(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def overheads(server: Server, path: str, count: int) -> list[float]:
    """Seconds that requests took longer than their cell, which returns its own duration.

    With a bare socket: http.client itself would take a third of the result.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {AUTHORIZATION}\r\n\r\n".encode()
    seconds = []
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(request)
            response = connection.recv(4096)
            total = time.perf_counter() - began
            seconds.append(total - float(response.partition(b"\r\n\r\n")[2]))
    return seconds


# -- memory, soak


def memory(book: Path, home: Path) -> list[Row]:
    """Of a gateway and its kernel, and its growth over 100 bodies of 1 MB."""
    with Server("stock-memory", servers.stock, book, home) as stock:
        stock_memory = stock.memory()
    with Server("memory", servers.engine, book, home) as server:
        for _ in range(10):
            send_request(server, "/invoke/hello_world")
        ratio = server.memory() / stock_memory
        send_request(server, "/invoke/size", b"x" * 1_000_000)
        before = server.memory()
        for _ in range(100):
            send_request(server, "/invoke/size", b"x" * 1_000_000)
        growth = server.memory() - before
    return [
        ("memory (PSS) of gateway and kernel, against stock", f"{ratio:.2f} x", "1.1 x", "0.9 x"),
        ("its growth over 100 posts of 1 MB", f"{growth / 1e6:.1f} MB", "5 MB", "0"),
    ]


def soak(book: Path, home: Path) -> list[Row]:
    """Many requests: none fails, and memory does not grow."""
    case = CASES["GET, 16 connections"]
    with Server("soak", servers.engine, book, home) as server:
        load(server, case, home)
        before, done = server.memory(), 0.0
        while done < SOAK_REQUESTS:
            done += SECONDS * load(server, case, home)
        growth = server.memory() / before - 1
    return [(f"growth over {done:,.0f} requests, none lost", f"{growth:+.1%}", "5 %", "0")]


# -- the report

INTRODUCTION = """# Results

Written by `make bench` on {machine}. All servers are behind the product's nginx
configuration with Basic auth, one kernel or one worker each, load by wrk, medians of
{rounds} alternating rounds of {seconds} s.

Granian runs without a framework, by its own interface (RSGI), and nginx keeps connections to it open: its best case.
To the others, nginx opens a connection for each request. The typed rows are a `GET` whose query has an integer with
limits, and a `POST` of an event that a pydantic model describes, to FastAPI and to functions of a notebook. All
servers of a row send the same response.

| requests per second | stock | Flask, gunicorn | FastAPI, uvicorn | Granian, RSGI | this engine |
|---|---|---|---|---|---|"""


def report(rates: Rates, rows: list[Row]) -> str:
    """The results as Markdown."""
    lines = [INTRODUCTION.format(machine=servers.machine(), rounds=ROUNDS, seconds=SECONDS)]
    for case, by in rates.items():
        figures = " | ".join(f"{by[name]:,.0f}" if name in by else "" for name in throughput.PROGRAMS)
        lines.append(f"| {case} | {figures} |")
    lines += ["", "| what | measured | must reach | hoped for |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


if __name__ == "__main__":
    main()
