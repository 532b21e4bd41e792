"""A small arbiter for the tests: one listening socket, real kernels that serve it, and a plain HTTP client.

The tests of the worker use it. Nothing sleeps: `eventually` polls with a deadline.
"""

import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from jupyter_client.manager import KernelManager

from gateway.arbiter.seeding import CAPTURE_CODE
from gateway.protocol import scoreboard
from gateway.protocol.messages import Cell, Config, Endpoint, Message, decode, encode

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0

Value = TypeVar("Value")


def eventually(poll: Callable[[], Value | None], what: str, deadline_s: float = DEADLINE_S) -> Value:
    """What `poll` returns once that is true; fails with `what` after the deadline."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        if value := poll():
            return value
        time.sleep(0.005)
    raise AssertionError(f"not within {deadline_s} s: {what}")


def endpoint(annotation: str, source: str, info: str = "", **more: Any) -> Endpoint:
    """The endpoint of one cell: `endpoint("GET /x", "print(1)")`, with a ResponseInfo cell if `info` is given."""
    method, path = annotation.split()
    cells = (Cell(1, f"# {annotation}\n{source}"),)
    infos = (Cell(2, f"# ResponseInfo {annotation}\n{info}"),) if info else ()
    return Endpoint(method, path, cells, infos, **more)


_ANNOTATION = re.compile(r"# (ResponseInfo )?([A-Z]+) (/\S*)(?: within (\S+) s)?$", re.MULTILINE)


def notebook(text: str) -> tuple[list[str], list[Endpoint]]:
    """The first, ordinary cell and the endpoints of a notebook written as one text.

    A cell begins with its annotation and is numbered by its place; `# GET /x within 0.3 s` sets a limit.
    """
    starts = [*(match.start() for match in _ANNOTATION.finditer(text)), len(text)]
    endpoints: dict[tuple[str, str], Endpoint] = {}
    for number, (start, end) in enumerate(itertools.pairwise(starts), 2):
        source = text[start:end].strip()
        info, method, path, limit = _ANNOTATION.match(source).groups()  # type: ignore[union-attr]
        before = endpoints.setdefault((method, path), Endpoint(method, path, (), limit_s=limit and float(limit)))
        field = "response_cells" if info else "cells"
        cells = (*getattr(before, field), Cell(number, source))
        endpoints[method, path] = dataclasses.replace(before, **{field: cells})
    return [text[: starts[0]]], list(endpoints.values())


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Worker:
    """A kernel of the arbiter, seeded with ordinary cells and connected to the arbiter."""

    def __init__(self, arbiter: "Arbiter", config: Config, seed: Sequence[str]) -> None:
        self.log = arbiter.directory / f"kernel-{os.urandom(3).hex()}.log"
        self.scoreboard = scoreboard.create("test")
        # Not on TCP: another test may have taken a port that was free a moment ago.
        self.manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(self.log.with_suffix("")))
        with self.log.open("wb") as log:
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            self.manager.start_kernel(stdout=log, stderr=log, env=environment, cwd=str(arbiter.directory))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=DEADLINE_S)
        for cell in seed:
            self.execute(cell)
        functions = {each.cells[0].number: each for each in config.endpoints if each.function}
        for number, each in sorted(functions.items()):
            code = CAPTURE_CODE.format(number=number, function=each.function)
            self.execute(each.cells[0].source, user_expressions={"function": code})
        start = f"start({str(arbiter.channel_path)!r}, {self.log.stem!r})"
        self.client.execute(
            f"__import__('gateway.worker.start', fromlist=['x']).{start}",
            silent=True,
            store_history=False,
        )
        self.channel = self._accept(arbiter.channels)
        self.channel.settimeout(DEADLINE_S)
        self._lines = self.channel.makefile("rb")
        self.hello = self.receive()
        message = encode({"do": "serve", "config": config.to_json()})
        socket.send_fds(self.channel, [message], [arbiter.listener.fileno(), self.scoreboard])
        self.verdict = self.receive()
        self.functions = self.verdict
        if self.verdict["did"] == "compiled":
            self.send({"do": "accept", "static": {}})
            self.verdict = self.receive()

    def _accept(self, channels: socket.socket) -> socket.socket:
        try:
            return channels.accept()[0]
        except TimeoutError:
            raise AssertionError(self.client.get_shell_msg(timeout=1)["content"]) from None

    @property
    def pid(self) -> int:
        return int(self.hello["pid"])

    def execute(self, code: str, **options: Any) -> Message:
        """Run an ordinary cell by the Jupyter protocol; the reply's content. Fails if the cell does."""
        reply = self.client.execute_interactive(code, timeout=DEADLINE_S, output_hook=lambda _message: None, **options)
        assert reply["content"]["status"] == "ok", reply["content"]
        return dict(reply["content"])

    def receive(self) -> Message:
        return decode(self._lines.readline())

    def send(self, message: Message) -> None:
        self.channel.sendall(encode(message))

    def state(self) -> scoreboard.Snapshot:
        return scoreboard.read(self.scoreboard)

    def wait_for_log(self, text: str) -> str:
        """The log, once `text` is in it."""
        return eventually(lambda: (log := self.log.read_text()) * (text in log), f"{text!r} in the log")

    def rss_kb(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def is_alive(self) -> bool:
        return bool(self.manager.is_alive())

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self._lines.close()
        self.channel.close()
        os.close(self.scoreboard)


class Arbiter:
    """Owns the listening socket at `path` and starts workers for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "api.sock"
        self.channel_path = directory / "workers.sock"
        self.listener = _listen(self.path)
        self.channels = _listen(self.channel_path)
        self.channels.settimeout(DEADLINE_S)
        self.workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for worker in self.workers:
            worker.close()
        self.listener.close()
        self.channels.close()

    def start(self, *endpoints: Endpoint, seed: Sequence[str] = (), **config: Any) -> Worker:
        """A worker for these endpoints; whether it is ready is in its `verdict`."""
        worker = Worker(self, Config(endpoints=endpoints, **config), seed)
        self.workers.append(worker)
        return worker

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE_S)
        sock.connect(str(self.path))
        return sock

    def raw(self, request: bytes) -> bytes:
        """The response to these bytes."""
        with self.connect() as sock:
            sock.sendall(request)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, address: str = "/invoke"
    ) -> Response:
        """One request below `address`. ConnectionError or HTTPException: no response."""
        with contextlib.closing(UnixConnection(self.path)) as connection:
            connection.request(method, f"{address}{path}", body, headers or {})
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Response:
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any, content_type: str = "application/json") -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, data, {"Content-Type": content_type})


@contextlib.contextmanager
def serving(directory: Path, *endpoints: Endpoint, **more: Any) -> Iterator[Arbiter]:
    """An arbiter with one worker that is ready."""
    with Arbiter(directory) as arbiter:
        worker = arbiter.start(*endpoints, **more)
        assert worker.verdict == {"did": "ready"}, worker.log.read_text()
        yield arbiter


def _listen(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(128)
    return sock
