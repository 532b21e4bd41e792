"""One container of the image: start it, wait with a deadline, look inside, collect its log, remove it."""

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import requests

from tests.support.notebooks import notebook_text
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
VERSION, REVISION = "0.0.test", "0123abc"  # that the image under test is told to have
TAG = "notebook-api:test"
TITLE = "org.opencontainers.image.title=Notebook API"
OWNER = ("hasura", "an-owners-long-password")
START_SECONDS = 60  # a loaded machine; bench/image_start.py measures
LABEL = "notebook-api.test"

# Code that makes `found` of all processes but its own, by age. The image has no ps.
FIND_PROCESSES = """
import json, os
from pathlib import Path
found = []
for folder in Path("/proc").iterdir():
    if not folder.name.isdigit() or int(folder.name) == os.getpid():
        continue
    try:
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        command = (folder / "cmdline").read_bytes().replace(b"\\0", b" ").decode(errors="replace").strip()
        environ = (folder / "environ").read_bytes().decode(errors="replace")
    except OSError:
        continue
    if state not in "ZX":
        found.append({"pid": int(folder.name), "parent": int(parent), "command": command, "environ": environ})
found.sort(key=lambda process: process["pid"])
"""


def docker(*arguments: str, stdin: str = "", check: bool = True, seconds: float = 300) -> str:
    """What a docker command prints to stdout; fails with what it prints to stderr."""
    process = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, timeout=seconds)
    assert not check or process.returncode == 0, f"docker {' '.join(arguments)}:\n{process.stdout}{process.stderr}"
    return process.stdout


class Container:
    """`docker run` of an image with options of its own; a context manager that always removes it.

    `settings` are environment variables. With `password=False` none is set.
    """

    alive: ClassVar[list["Container"]] = []  # whose logs are shown when a test fails

    def __init__(self, image: str, *options: str, port: int = 8080, password: bool = True, **settings: str) -> None:
        self.name = f"notebook-api-test-{secrets.token_hex(4)}"
        self.image = image
        self.port = port
        defaults = {"NOTEBOOK_PASSWORD": OWNER[1]} if password else {}
        variables = [f"--env={name}={value}" for name, value in {**defaults, **settings}.items()]
        self.options = [*variables, *options]
        self._address = ""  # a look at it costs as much as a request

    def __enter__(self) -> "Container":
        Container.alive.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        Container.alive.remove(self)
        docker("rm", "--force", "--volumes", self.name, check=False)

    # -- its life

    def run(self) -> "Container":
        """Start it without waiting for anything."""
        port_option = f"--publish=127.0.0.1::{self.port}"
        docker("run", "--detach", f"--name={self.name}", f"--label={LABEL}", port_option, *self.options, self.image)
        return self

    def start(self) -> "Container":
        """Start it and return when it is healthy."""
        return self.run().wait_until_healthy()

    def wait_until_healthy(self) -> "Container":
        """Return when `/healthz` answers 200; fails with the log when the container ends instead."""
        eventually(lambda: self.is_healthy() or not self.is_running(), START_SECONDS, "a healthy container")
        assert self.is_running(), f"the container ended at its start:\n{self.log()}"
        return self

    def is_running(self) -> bool:
        return self.inspect("{{.State.Running}}") == "true"

    def is_healthy(self) -> bool:
        answer = self.answer("/healthz", auth=None)
        return answer is not None and answer.status_code == 200

    def wait_until_serving(self) -> "Container":
        """Return when an API answers. Asked elsewhere: nginx logs each call that nothing answers."""
        eventually(lambda: self.status() == "serving", START_SECONDS, "an API that serves")
        return self

    def status(self) -> str | None:
        """The API's state; None while nobody says."""
        answer = self.answer("/process/status")
        return answer.json()["state"] if answer is not None and answer.status_code == 200 else None

    def wait_until_ended(self, seconds: float = START_SECONDS) -> int:
        """The exit status."""
        eventually(lambda: not self.is_running(), seconds, "the end of the container")
        return int(self.inspect("{{.State.ExitCode}}"))

    def stop(self) -> int:
        """`docker stop`, which kills after 10 s; the exit status (137: it was killed)."""
        docker("stop", self.name)
        return int(self.inspect("{{.State.ExitCode}}"))

    def restart(self) -> "Container":
        """`docker restart`; returns when it is healthy."""
        docker("restart", self.name)
        self._address = ""
        return self.wait_until_healthy()

    # -- inside

    def inspect(self, template: str) -> str:
        """A part of `docker inspect`, by a Go template."""
        return docker("inspect", "--format", template, self.name).strip()

    def sh(self, script: str, stdin: str = "") -> str:
        """What a shell script prints, run inside as the container's user."""
        return docker("exec", "--interactive", self.name, "sh", "-c", script, stdin=stdin)

    def python(self, code: str) -> str:
        """What Python code prints, run inside as the container's user."""
        return docker("exec", "--interactive", self.name, "python", "-", stdin=code)

    def processes(self) -> list[dict[str, Any]]:
        """The container's processes: pid, parent, command, environ."""
        result: list[dict[str, Any]] = json.loads(self.python(f"{FIND_PROCESSES}\nprint(json.dumps(found))"))
        return result

    def pids(self, part: str) -> list[int]:
        """Those with `part` in their command line."""
        return [process["pid"] for process in self.processes() if part in process["command"]]

    def write(self, project: str, cells: list[str]) -> None:
        """Write a project's notebook."""
        folder = f"/notebook/{project}"
        self.sh(f"mkdir -p {folder} && cat >{folder}/server.ipynb", stdin=notebook_text(cells))

    def kill(self, part: str, number: int) -> None:
        """Send a signal to the processes with `part` in their command line, if there are any."""
        pids = f"[process['pid'] for process in found if {part!r} in process['command']]"
        code = f"{FIND_PROCESSES}\nfor pid in {pids}: os.kill(pid, {int(number)})"
        docker("exec", "--interactive", self.name, "python", "-", stdin=code, check=False)

    def keep_down(self, part: str) -> None:
        """Kill the processes with `part` in their command line whenever there are any, until the container ends."""
        # The sleep leaves the container's processor to the stack between two looks.
        code = (
            f"import contextlib, time\nwhile True:\n    exec({FIND_PROCESSES!r})\n    for process in found:\n"
            f"        if {part!r} in process['command']:\n"
            "            with contextlib.suppress(OSError): os.kill(process['pid'], 9)\n    time.sleep(0.2)"
        )
        docker("exec", "--interactive", self.name, "python", "-", stdin=code, check=False)

    def log(self) -> str:
        """All that it has printed."""
        process = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, timeout=60)
        return process.stdout + process.stderr

    # -- HTTP

    def request(
        self, method: str, path: str, auth: tuple[str, str] | None = OWNER, **arguments: Any
    ) -> requests.Response:
        """One request on a connection of its own, which knows nothing of the developer's proxies."""
        arguments.setdefault("timeout", 60)
        with self.session(auth) as session:
            return session.request(method, self.address() + path, **arguments)

    def session(self, auth: tuple[str, str] | None = OWNER) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.auth = auth
        return session

    def address(self) -> str:
        """Where the host reaches it; the engine gives another port at each start."""
        if not self._address:
            addresses = docker("port", self.name, str(self.port)).splitlines()
            assert addresses, f"the container has no port:\n{self.log()}"
            self._address = f"http://{addresses[0]}"
        return self._address

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return self.request("GET", path, **arguments)

    def answer(self, path: str, **arguments: Any) -> requests.Response | None:
        """The response to a GET; None while there is no connection or the answer breaks off."""
        try:
            return self.get(path, **{"timeout": 5, **arguments})
        except requests.RequestException:
            return None

    def serve(self, project: str) -> requests.Response:
        """Serve a project in place of whatever is being served."""
        response = self.request("POST", "/process/restart", params={"notebook": project})
        assert response.status_code == 200, response.text
        for api in self.get("/process/status").json()["apis"]:
            if api["notebook"] != project:
                self.request("POST", "/process/stop", params={"notebook": api["notebook"]})
        return response


class Volume:
    """A named volume of one test; a context manager that always removes it."""

    def __init__(self) -> None:
        self.name = f"notebook-api-test-{secrets.token_hex(4)}"
        docker("volume", "create", f"--label={LABEL}", self.name)

    def __enter__(self) -> "Volume":
        return self

    def __exit__(self, *_: object) -> None:
        users = docker("ps", "--all", "--quiet", f"--filter=volume={self.name}").split()
        if users:
            docker("rm", "--force", "--volumes", *users)
        docker("volume", "rm", self.name)

    def option(self, mode: str = "rw") -> str:
        """The option of `docker run` that mounts it where the notebooks are."""
        return f"--volume={self.name}:/notebook:{mode}"


def bind(source: Path, target: str) -> str:
    """The option of `docker run` that shows a file or folder of the host inside, not to be written to."""
    return f"--volume={source}:{target}:ro"
