"""Requests per second of all servers, in rounds that alternate between them."""

import base64
import http.client
import json
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import notebook, servers
from bench.servers import OWNER, Command, Server

ROUNDS = 5
SECONDS = 2
JSON = "application/json"
AUTHORIZATION = "Basic " + base64.b64encode(f"{OWNER.name}:{OWNER.password}".encode()).decode()

PROGRAMS: dict[str, Command] = {
    "stock": servers.stock,
    "flask": servers.flask,
    "fastapi": servers.fastapi,
    "granian": servers.granian,
    "engine": servers.engine,
}
TYPED = ("fastapi", "engine")  # the servers that validate by annotations

Row = tuple[str, str, str, str]  # what, measured, required, target


@dataclass(frozen=True)
class Case:
    """A request that each of `programs` is measured with."""

    path: str
    connections: int
    body: str = ""
    programs: tuple[str, ...] = tuple(PROGRAMS)


CASES = {
    "GET, 1 connection": Case("/invoke/hello_world", 1),
    "GET, 16 connections": Case("/invoke/hello_world", 16),
    "POST 10 KB, 1 connection": Case("/invoke/event", 1, notebook.event()),
    "POST 10 KB, 16 connections": Case("/invoke/event", 16, notebook.event()),
    "typed GET, 1 connection": Case("/invoke/square?n=12", 1, "", TYPED),
    "typed GET, 16 connections": Case("/invoke/square?n=12", 16, "", TYPED),
    "typed POST 10 KB, 1 connection": Case("/invoke/typed_event", 1, notebook.event(), TYPED),
    "typed POST 10 KB, 16 connections": Case("/invoke/typed_event", 16, notebook.event(), TYPED),
}
Rates = dict[str, dict[str, float]]  # by case, then by program


def measure(home: Path) -> tuple[Rates, list[Row]]:
    """Requests per second of all programs, and the engine's ratios to the others.

    RuntimeError: two of them respond differently.
    """
    book = notebook.write(home / "throughput.ipynb", [*notebook.CELLS, *notebook.FUNCTIONS])
    measured: dict[str, dict[str, list[float]]] = {
        name: {program: [] for program in case.programs} for name, case in CASES.items()
    }
    with ExitStack() as stack:
        running = {name: stack.enter_context(Server(name, command, book, home)) for name, command in PROGRAMS.items()}
        for case in CASES.values():
            check_responses(case, [running[name] for name in case.programs])
        for _ in range(ROUNDS):
            for name, case in CASES.items():
                for program in case.programs:
                    measured[name][program].append(load(running[program], case, home))
    rates = {case: {n: statistics.median(v) for n, v in by.items()} for case, by in measured.items()}
    return rates, compare(rates)


def check_responses(case: Case, running: list[Server]) -> None:
    """RuntimeError: the servers do not respond with the same status and content."""
    responses = {server.name: send_request(server, case.path, case.body.encode(), JSON) for server in running}
    if len({repr(response) for response in responses.values()}) > 1:
        raise RuntimeError(f"{case.path} has different responses: {responses}")


def compare(rates: Rates) -> list[Row]:
    """The engine's ratios to the others."""

    def ratios(peer: str, what: str) -> str:
        cases = rates[f"{what}, 1 connection"], rates[f"{what}, 16 connections"]
        return " and ".join(f"{case['engine'] / case[peer]:.1f} x" for case in cases)

    what = "GET /hello_world, 1 and 16 connections, against"
    typed = "1.3 and 1.6", "2"
    return [
        (f"{what} stock", ratios("stock", "GET"), "50 and 100", "100 and 300"),
        (f"{what} Flask", ratios("flask", "GET"), "1.5 and 3", "4 and 9"),
        (f"{what} FastAPI", ratios("fastapi", "GET"), "1.2 and 2", "3 and 6"),
        ("POST of a 10 KB event with ResponseInfo, the same, against Flask", ratios("flask", "POST 10 KB"), "2", "4"),
        ("GET of a function with a typed query, the same, against FastAPI", ratios("fastapi", "typed GET"), *typed),
        ("POST of a 10 KB event to a function that takes a model, the same, against FastAPI",
         ratios("fastapi", "typed POST 10 KB"), *typed),
    ]  # fmt: skip


def load(server: Server, case: Case, home: Path, seconds: int = SECONDS) -> float:
    """Requests per second, by wrk; raises RuntimeError if any request failed."""
    script = home / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [==[{case.body}]==]\n"
    )
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "-H", f"Authorization: {AUTHORIZATION}"]
    command += ["-s", str(script)] if case.body else []
    command.append(f"http://127.0.0.1:{server.port}{case.path}")
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{server.name} failed under load:\n{output}")
    return float(next(line.split()[1] for line in output.splitlines() if line.startswith("Requests/sec")))


def send_request(server: Server, path: str, body: bytes = b"", media: str = "text/plain") -> tuple[int, object]:
    """The status and the content, parsed if it is JSON. RuntimeError: it failed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    headers = {"Authorization": AUTHORIZATION, "Content-Type": media}
    try:
        connection.request("POST" if body else "GET", path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise RuntimeError(f"{server.name} responded to {path} with {response.status}: {text}")
    is_json = response.headers.get_content_type() == JSON
    return response.status, json.loads(text) if is_json else text
