"""The real stack as a subprocess: nginx, supervisord, Jupyter, the control app and the gateways."""

import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter

from control.config.run_dir import RunDir
from tests.support import processes
from tests.support.notebooks import notebook_text
from tests.support.processes import Process
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
OWNER = ("hasura", "an-owners-long-password")
API_USER = ("webhook", "a-callers-long-password")
MARKER = "STACK_OF_A_TEST"
START_SECONDS = 30
STOP_SECONDS = 10  # what `docker stop` gives, and the issue promises


class Stack:
    """`python -m control` with directories, a port and passwords of its own.

    Use it as a context manager; `settings` are further environment variables. Leaving it stops the stack
    and asserts that no process of it is left.
    """

    alive: ClassVar[list["Stack"]] = []  # whose logs are shown when a test fails

    def __init__(self, **settings: str) -> None:
        self.home = Path(tempfile.mkdtemp(dir="/tmp", prefix="nb"))  # socket paths are short
        self.run_dir = self.home / "run"
        self.notebook_dir = self.home / "notebooks"
        self.notebook_dir.mkdir()
        self.programs = self.home / "bin"
        self.log_file = self.home / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.marker = f"{MARKER}={secrets.token_hex(8)}"
        self.settings = {
            "NOTEBOOK_USER": OWNER[0],
            "NOTEBOOK_PASSWORD": OWNER[1],
            "API_USER": API_USER[0],
            "API_PASSWORD": API_USER[1],
            **settings,
        }
        self.popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Stack":
        Stack.alive.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            Stack.alive.remove(self)
            shutil.rmtree(self.home)

    # -- its life

    def launch(self) -> None:
        """Start it without waiting for anything."""
        self._hide_node()
        environment = {
            # None of the developer's own settings, nor of their Jupyter's.
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "PORT": str(self.port),
            "RUN_DIR": str(self.run_dir),
            "NOTEBOOK_DIR": str(self.notebook_dir),
            **self.settings,
            **dict([self.marker.split("=")]),
        }
        with self.log_file.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "control"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _hide_node(self) -> None:
        """Jupyter would ask Node for settings, which takes it a fifth of its start; the image has none."""
        self.programs.mkdir(exist_ok=True)
        for name in ("node", "npm"):
            (self.programs / name).write_text("#!/bin/sh\n")
            (self.programs / name).chmod(0o755)

    def start(self) -> "Stack":
        """Start it and return when it is healthy."""
        self.launch()
        assert self.popen is not None
        popen = self.popen
        eventually(lambda: self.is_healthy() or popen.poll() is not None, START_SECONDS, "a healthy stack")
        assert popen.poll() is None, f"the stack ended at its start:\n{self.log()}"
        return self

    def is_healthy(self) -> bool:
        response = self.answer("/healthz")
        return response is not None and response.status_code == 200

    def send_signal(self, number: int) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def wait(self, seconds: float) -> int:
        """The exit status; fails when it does not end in time."""
        assert self.popen is not None
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            leftovers = "\n".join(process.command for process in self.processes())
            raise AssertionError(f"the stack has not ended within {seconds} s:\n{leftovers}") from None

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        """End it as Ctrl-C or `docker stop` would; asserts that it is in time and leaves no process."""
        status = None
        try:
            if self.popen and self.popen.poll() is None:
                self.send_signal(number)
                status = self.wait(STOP_SECONDS)
            leftovers = [process.command for process in self.processes()]
            assert not leftovers, f"left behind: {leftovers}"
        finally:
            self._kill_all()
        return status

    def _kill_all(self) -> None:
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self.popen:
            self.popen.wait(STOP_SECONDS)

    # -- its processes

    def processes(self) -> list[Process]:
        """All that belong to it: by an environment variable that they inherit, or by their session.

        nginx writes its title over its environment, and kernels have sessions of their own.
        """
        marker = self.marker.encode()
        sid = self.popen.pid if self.popen else -1
        return [p for p in processes.running() if marker in p.environ.split(b"\0") or p.session == sid]

    def process(self, part: str) -> Process:
        """The oldest of its processes whose command line has `part` in it."""
        result = [process for process in self.processes() if part in process.command]
        assert result, f"no process of the stack has {part!r} in its command line"
        return min(result, key=lambda process: process.pid)

    def gateway(self) -> Process:
        """The gateway that serves."""
        status = self.status()
        folder = RunDir(self.run_dir).api(status["notebook"]).slot(status["slot"])
        return self.process(f"-m gateway {folder.relative_to(self.run_dir)}")

    def kill(self, process: Process) -> None:
        """kill -9, and wait until it is gone."""
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: not process.is_running(), 5, f"the end of {process.command}")

    # -- HTTP

    def session(self, auth: tuple[str, str] | None = OWNER, source: str | None = None) -> requests.Session:
        """A session that knows nothing of the developer's proxies and passwords, and calls from `source`.

        With a wrong password it calls from an address of its own: nginx looks at few requests from one that gave many.
        """
        session = requests.Session()
        session.trust_env = False
        session.auth = auth
        if source is None and auth not in (None, OWNER, API_USER):
            source = another_address()
        if source:
            session.mount("http://", From(source))
        return session

    def request(
        self,
        method: str,
        path: str,
        auth: tuple[str, str] | None = OWNER,
        source: str | None = None,
        **arguments: Any,
    ) -> requests.Response:
        """One request on a connection of its own."""
        arguments.setdefault("timeout", 60)
        with self.session(auth, source) as session:
            return session.request(method, self.url + path, **arguments)

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> requests.Response:
        return self.request("POST", path, **arguments)

    def answer(self, path: str, **arguments: Any) -> requests.Response | None:
        """The response to a GET; None while there is no connection or the answer breaks off."""
        try:
            return self.get(path, **{"timeout": 5, **arguments})
        except requests.RequestException:
            return None

    # -- notebooks and the API

    def write(self, project: str, cells: list[str], kernelspec: str = "python3") -> Path:
        """Write a project's notebook."""
        return self.write_text(project, notebook_text(cells, kernelspec))

    def write_text(self, project: str, text: str, name: str = "server.ipynb") -> Path:
        """Write a project's notebook as it is given."""
        path = self.notebook_dir / project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def process_call(self, call: str, notebook: str | None = None, **arguments: Any) -> requests.Response:
        """A call of /process/…"""
        parameters = {"notebook": notebook} if notebook else {}
        return self.post(f"/process/{call}", params=parameters, **arguments)

    def start_api(self, project: str) -> requests.Response:
        return self.process_call("start", project)

    def restart_api(self, project: str | None = None) -> requests.Response:
        return self.process_call("restart", project)

    def stop_api(self, project: str | None = None) -> requests.Response:
        """Stop that one, or all."""
        return self.process_call("stop", project)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/process/status").json()
        return answer

    def calls(self) -> list[dict[str, Any]]:
        """The last calls of the API, as the inspector lists them, the newest first."""
        result: list[dict[str, Any]] = self.get("/process/requests").json()["requests"]
        return result

    def serve(self, project: str, cells: list[str]) -> None:
        """Write the project's notebook and serve it in place of whatever is being served."""
        self.write(project, cells)
        response = self.restart_api(project)
        assert response.status_code == 200, response.text
        self.process_call("default", project)
        for api in self.status()["apis"]:
            if api["notebook"] != project:
                self.stop_api(api["notebook"])

    def keep_serving(self, project: str, cells: list[str]) -> None:
        """As `serve`, without a restart if that is what is served, as another test left it."""
        path, status = self.notebook_dir / project / "server.ipynb", self.status()
        is_served = (status["state"], status["notebook"]) == ("serving", project)
        if not (is_served and path.exists() and path.read_text() == notebook_text(cells)):
            self.serve(project, cells)

    def invoke(self, path: str, method: str = "GET", **arguments: Any) -> requests.Response:
        return self.request(method, f"/invoke/{path}", **arguments)

    # -- what it says

    def log(self) -> str:
        """All that it has printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def api_log(self, lines: int = 200) -> str:
        """The log of the API, as a user reads it."""
        return self.get(f"/process/logs?lines={lines}").text

    def read_run_dir(self) -> dict[str, str]:
        """The text of each file in the run directory, by name."""
        files = (path for path in self.run_dir.rglob("*") if path.is_file())
        return {str(path): path.read_text(errors="replace") for path in files}


class From(HTTPAdapter):
    """Connects from a certain address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, source_address=(self.address, 0))


_addresses = itertools.count(1)


def another_address() -> str:
    """An address of the loopback network that no other test calls from."""
    number = next(_addresses)
    return f"127.9.{number // 250}.{number % 250 + 1}"


_reservations: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that nobody listens on, and that is given to nobody else while these tests run.

    The socket stays bound and never listens: with SO_REUSEADDR a server may take the port, as nginx does, but the
    kernel neither picks it for a connection nor for another test.
    """
    reservation = socket.socket()
    reservation.bind(("127.0.0.1", 0))
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _reservations.append(reservation)
    return int(reservation.getsockname()[1])


def as_json(response: requests.Response) -> Any:
    """The response's JSON; fails with its text where it is none."""
    try:
        return json.loads(response.content)
    except ValueError:
        raise AssertionError(f"not JSON ({response.status_code}): {response.text[:500]!r}") from None
