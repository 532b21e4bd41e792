"""One gateway with its kernels, without the stack around it: `python -m gateway` on sockets of its own."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control.deployment.unix_http import UnixConnection
from tests.support.notebooks import notebook_text
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = {
    "KERNELS": "1",
    "REQUEST_TIMEOUT": "60",
    "START_TIMEOUT": "60",
    "QUEUE_LIMIT": "100",
    "MAX_BODY_MB": "100",
    "MAX_OUTPUT_MB": "10",
    "SHOW_TRACEBACKS": "0",
}
FOLDER = "slots/1a2b3c4d/blue"  # below RUN_DIR, as the control app makes it
READY_SECONDS = 60
STOP_SECONDS = 20


@dataclass
class Answer:
    """A response: `headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Slot:
    """Serves `cells`, or the notebook at `path`; `settings` are further environment variables."""

    def __init__(self, cells: list[str] | None = None, path: Path | None = None, **settings: str) -> None:
        self.home = Path(tempfile.mkdtemp(dir="/tmp", prefix="slot"))
        self.folder = self.home / FOLDER
        self.folder.mkdir(parents=True)
        if path is None:
            path = self.home / "server.ipynb"
            path.write_text(notebook_text(cells or []))
        content = {"notebook": "test", "path": str(path), "address": "/apis/test"}
        (self.folder / "slot.json").write_text(json.dumps(content))
        self.log_file = self.home / "log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "RUN_DIR": str(self.home),
            "JUPYTER_RUNTIME_DIR": str(self.home / "jupyter"),
            "PYTHONUNBUFFERED": "1",
            **DEFAULTS,
            **settings,
        }

    def __enter__(self) -> "Slot":
        with self.log_file.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "gateway", FOLDER],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(lambda: self.status().get("ready") or self.has_ended(), READY_SECONDS, "a ready slot")
            assert not self.has_ended(), f"the gateway ended with {self.popen.returncode}:\n{self.log()}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        finally:
            self.popen.kill()
            self.popen.wait()
            shutil.rmtree(self.home, ignore_errors=True)

    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        """What the admin socket says; empty while there is no answer."""
        try:
            result: dict[str, Any] = http_over_unix(self.folder / "admin.sock", "GET", "/status", None, {}, 10).json()
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        return result

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60,
        address: str = "/invoke",
    ) -> Answer:
        """One request to the API; `path` below `address`."""
        return http_over_unix(self.folder / "api.sock", method, f"{address}{path}", body, headers or {}, timeout)

    def get(self, path: str, **arguments: Any) -> Answer:
        return self.request("GET", path, **arguments)

    def post(self, path: str, body: bytes | str = b"", **arguments: Any) -> Answer:
        return self.request("POST", path, body, **arguments)

    def post_json(self, path: str, value: Any, **arguments: Any) -> Answer:
        headers = {"Content-Type": "application/json", **arguments.pop("headers", {})}
        return self.post(path, json.dumps(value), headers=headers, **arguments)


def http_over_unix(
    unix_socket: Path, method: str, path: str, body: bytes | str | None, headers: dict[str, str], timeout: float
) -> Answer:
    """One request on a connection of its own."""
    connection = UnixConnection(unix_socket, timeout)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        result = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, result, response.read())
    finally:
        connection.close()
