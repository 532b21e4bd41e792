"""Starts the servers to measure, each behind an nginx of its own with the product's configuration."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from control.config.settings import ROOT, Settings
from control.deployment import unix_http
from control.launch import configuration, launch
from control.launch.credentials import Credentials, User

OWNER = User("bench", "a-password-of-the-bench")
START_TIMEOUT = 60  # seconds
PYTHON = sys.executable

Command = Callable[[Path, Path], list[str]]  # (notebook, socket)


def stock(notebook: Path, sock: Path) -> list[str]:
    return [PYTHON, "-m", "bench.peers.stock", str(notebook), str(sock), "1"]


def engine(notebook: Path, sock: Path) -> list[str]:
    (sock.parent / "slot.json").write_text(f'{{"notebook": "bench", "path": "{notebook}"}}')
    return [PYTHON, "-m", "gateway", sock.parent.name]


def flask(_notebook: Path, sock: Path) -> list[str]:
    return [PYTHON, "-m", "gunicorn", "--bind", f"unix:{sock}", "--workers", "1", "--log-level", "error",
            "bench.peers.flask_app:app"]  # fmt: skip


def fastapi(_notebook: Path, sock: Path) -> list[str]:
    return [PYTHON, "-m", "uvicorn", "--uds", str(sock), "--no-access-log", "--log-level", "error",
            "bench.peers.fastapi_app:app"]  # fmt: skip


def granian(_notebook: Path, sock: Path) -> list[str]:
    # The best over all rows of RSGI and ASGI, uvloop and asyncio, a runtime of one thread and of several, with and
    # without connections that nginx keeps open. Tasks in Rust are 15 % faster in a GET, and 20 % slower in a POST.
    return [PYTHON, "-m", "granian", "--uds", str(sock), "--workers", "1", "--log-level", "error", "--no-ws",
            "--interface", "rsgi", "--loop", "uvloop", "--runtime-mode", "mt",
            "bench.peers.granian_app:app"]  # fmt: skip


class Server:
    """One program behind one nginx; use it as a context manager. `port` is nginx's."""

    def __init__(self, name: str, command: Command, notebook: Path, home: Path, **settings: str) -> None:
        self.name = name
        self.run_dir = home / name
        self.socket = self.run_dir / "default" / "api.sock"
        self.socket.parent.mkdir(parents=True)
        self.port = free_port()
        environ = {
            "PORT": str(self.port),
            "RUN_DIR": str(self.run_dir),
            "NOTEBOOK_DIR": str(notebook.parent),
            **settings,
        }
        self.settings = Settings.from_env(environ)
        self.command = command(notebook, self.socket)
        self.start_seconds = 0.0  # from its start to its first response
        for folder in (self.run_dir / "nginx", self.settings.body_dir):
            folder.mkdir()
        configuration.render(self.settings, Credentials(OWNER, None, generated=False))
        if command is granian:
            keep_connections(self.run_dir / "nginx.conf")

    def __enter__(self) -> "Server":
        environment = {**launch.child_environment(self.settings), "PYTHONPATH": str(ROOT)}
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=environment)
        self._wait(self._responds)
        self.start_seconds = time.monotonic() - began
        nginx = ["nginx", "-e", "stderr", "-c", str(self.run_dir / "nginx.conf"), "-p", str(self.run_dir)]
        self.nginx = subprocess.Popen(nginx, env={"PATH": launch.child_path()})
        self._wait(self._is_listening)
        return self

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not respond")
            time.sleep(0.01)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_: object) -> None:
        for process in (self.nginx, self.process):
            process.terminate()
            process.wait()

    def memory(self) -> int:
        """Bytes of the program and its descendants, shared pages in proportion (PSS)."""
        return sum(pss(pid) for pid in process_tree(self.process.pid))

    def _responds(self) -> bool:
        with suppress(*unix_http.ERRORS):
            return unix_http.send(self.socket, "GET", "/invoke/hello_world", timeout=30).status == 200
        return False


def keep_connections(nginx: Path) -> None:
    """Have nginx keep connections to the API open. ValueError: the configuration is not as expected."""
    text = nginx.read_text()
    for old, new in (
        ("http://unix:$api/api.sock;", "http://api;"),
        ("upstream tools {", "upstream api { server unix:default/api.sock; keepalive 16; }\n    upstream tools {"),
        ("Connection $connection_header;", 'Connection "";'),
    ):
        if old not in text:
            raise ValueError(f"{nginx} has no {old!r}")
        text = text.replace(old, new)
    nginx.write_text(text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process_tree(pid: int) -> list[int]:
    """A process and its descendants."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children += [int(child) for child in task.read_text().split()]
    return [pid, *(member for child in children for member in process_tree(child))]


def pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def machine() -> str:
    """The machine in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores of {model}, Python {sys.version.split()[0]}"
