"""`python -m bench.run`: compares the engine with stock, Flask and FastAPI; writes bench/results.md.

Rounds alternate between the servers, so that a drift of the machine's speed affects all of them; the
figures are medians over the rounds.
"""

import base64
import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench import inspection, notebook, page, servers
from bench.servers import OWNER, Server

ROUNDS = 5
SECONDS = 2
SOAK_REQUESTS = 100_000
RESULTS = Path(__file__).parent / "results.md"
AUTHORIZATION = "Basic " + base64.b64encode(f"{OWNER.name}:{OWNER.password}".encode()).decode()

Row = tuple[str, str, str, str]  # what, measured, required, target


def main() -> None:
    """Run all benchmarks, print and write the table."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="bench") as folder:
        home = Path(folder)
        book = notebook.write(home / "server.ipynb")
        rates, rows = throughput(book, home)
        rows += [*concurrency(book, home), *memory(book, home), *starts(book, home)]
        loads = {name: case_load(f"{name}, 16 connections", home) for name in ("GET", "POST 10 KB")}
        rows.append(inspection.cost(book, home, loads))
        rows += page.rows()
        if "--soak" in sys.argv:
            rows += soak(book, home)
    text = report(rates, rows)
    print(text)
    RESULTS.write_text(text, encoding="utf-8")


# -- requests per second

CASES = {
    "GET, 1 connection": ("/invoke/hello_world", 1, ""),
    "GET, 16 connections": ("/invoke/hello_world", 16, ""),
    "POST 10 KB, 1 connection": ("/invoke/event", 1, notebook.event()),
    "POST 10 KB, 16 connections": ("/invoke/event", 16, notebook.event()),
}
Rates = dict[str, dict[str, float]]  # by case, then by server


def throughput(book: Path, home: Path) -> tuple[Rates, list[Row]]:
    """Requests per second of all four, and the engine's ratios to the others."""
    commands = {
        "stock": servers.stock,
        "engine": servers.engine,
        "flask": servers.flask,
        "fastapi": servers.fastapi,
    }
    measured: dict[str, dict[str, list[float]]] = {case: {name: [] for name in commands} for case in CASES}
    with ExitStack() as stack:
        running = [stack.enter_context(Server(name, command, book, home)) for name, command in commands.items()]
        for _ in range(ROUNDS):
            for case, (path, connections, body) in CASES.items():
                for server in running:
                    measured[case][server.name].append(load(server, path, connections, body, home))
    rates = {case: {n: statistics.median(v) for n, v in by.items()} for case, by in measured.items()}
    one, many = rates["GET, 1 connection"], rates["GET, 16 connections"]
    posts = rates["POST 10 KB, 1 connection"], rates["POST 10 KB, 16 connections"]
    what = "GET /hello_world, 1 and 16 connections, against"
    return rates, [
        (f"{what} stock", ratios("stock", one, many), "50 and 100", "100 and 300"),
        (f"{what} Flask", ratios("flask", one, many), "1.5 and 3", "4 and 9"),
        (f"{what} FastAPI", ratios("fastapi", one, many), "1.2 and 2", "3 and 6"),
        ("POST of a 10 KB event with ResponseInfo, the same, against Flask", ratios("flask", *posts), "2", "4"),
    ]


def ratios(peer: str, *cases: dict[str, float]) -> str:
    return " and ".join(f"{case['engine'] / case[peer]:.1f} x" for case in cases)


def case_load(case: str, home: Path) -> inspection.Load:
    path, connections, body = CASES[case]
    return lambda server, seconds: load(server, path, connections, body, home, seconds)


def load(server: Server, path: str, connections: int, body: str, home: Path, seconds: int = SECONDS) -> float:
    """Requests per second, by wrk; raises RuntimeError if any request failed."""
    script = home / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [==[{body}]==]\n"
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Authorization: {AUTHORIZATION}"]
    command += ["-s", str(script)] if body else []
    command.append(f"http://127.0.0.1:{server.port}{path}")
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{server.name} failed under load:\n{output}")
    return float(next(line.split()[1] for line in output.splitlines() if line.startswith("Requests/sec")))


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


def send_request(server: Server, path: str, body: bytes | None = None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request("POST" if body else "GET", path, body, {"Authorization": AUTHORIZATION})
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"{server.name} responded to {path} with {response.status}")
    finally:
        connection.close()


# -- memory, starts, soak


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


def starts(book: Path, home: Path) -> list[Row]:
    """The time from a program's start to its first response."""
    times: dict[str, list[float]] = {"stock": [], "engine": []}
    for number in range(ROUNDS):
        for name, command in (("stock", servers.stock), ("engine", servers.engine)):
            with Server(f"start-{name}-{number}", command, book, home) as server:
                times[name].append(server.start_seconds)
    engine, stock = (statistics.median(times[name]) for name in ("engine", "stock"))
    what = f"start to first response, against stock ({stock:.2f} s)"
    return [(what, f"{engine:.2f} s, {engine / stock:.2f} x", "0.3 x", "0.2 x")]


def soak(book: Path, home: Path) -> list[Row]:
    """Many requests: none fails, and memory does not grow."""
    with Server("soak", servers.engine, book, home) as server:
        load(server, "/invoke/hello_world", 16, "", home)
        before, done = server.memory(), 0.0
        while done < SOAK_REQUESTS:
            done += SECONDS * load(server, "/invoke/hello_world", 16, "", home)
        growth = server.memory() / before - 1
    return [(f"growth over {done:,.0f} requests, none lost", f"{growth:+.1%}", "5 %", "0")]


# -- the report


def report(rates: Rates, rows: list[Row]) -> str:
    """The results as Markdown."""
    lines = [
        "# Results",
        "",
        f"Written by `make bench` on {servers.machine()}. All servers are behind the product's nginx",
        "configuration with Basic auth, one kernel or one worker each, load by wrk, medians of",
        f"{ROUNDS} alternating rounds of {SECONDS} s.",
        "",
        "| requests per second | stock | Flask, gunicorn | FastAPI, uvicorn | this engine |",
        "|---|---|---|---|---|",
    ]
    for case, by in rates.items():
        figures = " | ".join(f"{by[name]:,.0f}" for name in ("stock", "flask", "fastapi", "engine"))
        lines.append(f"| {case} | {figures} |")
    lines += ["", "| what | measured | must reach | hoped for |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


if __name__ == "__main__":
    main()
