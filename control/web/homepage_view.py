"""The data that the homepage shows, collected at one moment."""

import hashlib
import re
import shlex
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

from control.config.run_dir import RunDir, read_json
from control.deployment.deployment import Deployment
from control.deployment.status import Status
from control.logs.reader import LogReader
from control.supervision.client import SupervisorError
from control.traffic.manual_request import DEFAULT_BODIES, ManualRequest

LOG_LINES = 200
LOG_CHARACTERS = 100_000  # a line may be long
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")  # of a server, as agents name it
MISSING_MODULE = re.compile(r"No module named '([^'.]+)")  # of a ModuleNotFoundError
PARAMETER = re.compile(r"(?<=/):(\w+)")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, the request that the form suggests for it, and a curl command with placeholders in capitals."""

    method: str
    path: str
    request: ManualRequest
    curl: str

    @classmethod
    def at(cls, address: str, user: str, endpoint: Mapping[str, Any]) -> "Endpoint":
        """`address` is that of this site as the browser sees it, such as `http://localhost:8080`."""
        request = ManualRequest.of(endpoint)
        url = address + "/invoke" + PARAMETER.sub(lambda match: match[1].upper(), request.path)
        words = ["curl", "-u", f"{user}:PASSWORD"]
        if request.method not in ("GET", "POST"):
            words += ["-X", request.method]
        for name, value in endpoint.get("example", {}).get("form", {}).items():
            words += ["-F", f"{name}={value}"]
        if request.body:
            words += ["-H", f"Content-Type: {request.content_type()}", "-d", request.body]
        return cls(request.method, endpoint["path"], request, shlex.join([*words, url]))


@dataclass(frozen=True)
class HomepageView:
    """Without `status`, `status_error` says why; `user` is who calls the API."""

    status: Status | None
    status_error: str | None
    projects: dict[str, str]  # the file of each one's notebook, by its name
    read_only: list[str]  # those of them that cannot be saved
    with_both: list[str]  # those of them with a server.py that does not count
    last_project: str | None
    endpoints: list[Endpoint]
    user: str
    log: str
    log_position: str  # from where to follow it
    address: str

    @classmethod
    def load(cls, deployment: Deployment, address: str) -> "HomepageView":
        """Never raises: this page is where a person looks when something is broken."""
        try:
            status, status_error = deployment.status(), None
        except SupervisorError as error:
            status, status_error = None, f"{error}."
        user = api_user(deployment.run)
        endpoints = status.endpoints if status else []
        log, log_position = log_tail(deployment.run)
        return cls(
            status=status,
            status_error=status_error,
            projects=deployment.listing.files(),
            read_only=deployment.listing.read_only(),
            with_both=deployment.listing.with_both(),
            last_project=last_project(deployment),
            endpoints=[Endpoint.at(address, user, each) for each in endpoints],
            user=user,
            log=log,
            log_position=log_position,
            address=address,
        )

    @property
    def version(self) -> str:
        """A hash of the data without the log, which the page follows by itself."""
        data = replace(self, log="", log_position="")
        return hashlib.blake2s(repr(data).encode(errors="replace"), digest_size=8).hexdigest()

    @property
    def project(self) -> str | None:
        """The project to select at first: the one that is served, that failed, that was the last, hello_world, any."""
        if self.status and self.status.state == "serving":
            return self.status.notebook  # also where its folder is missing: a restart must not serve another instead
        last = self.status.notebook if self.status else None
        failed = (self.status.last_error or {}).get("notebook") if self.status else None
        preferred = [name for name in (last, failed, self.last_project, "hello_world") if name in self.projects]
        return next(iter(preferred or self.projects), None)

    @property
    def activity(self) -> tuple[str, str]:
        """The change in progress and its project, such as ("Starting", "hello_world")."""
        verb, _, name = ((self.status and self.status.busy) or "").removesuffix(".").partition(" ")
        return verb, name.removeprefix("the packages of ")

    @property
    def missing_package(self) -> str | None:
        """The package that the last start has missed, by the name of its module."""
        error = (self.status and self.status.last_error) or {}
        match = MISSING_MODULE.match(error.get("value") or "") if error.get("name") == "ModuleNotFoundError" else None
        return match[1] if match else None

    @property
    def example_curl(self) -> str:
        """Calls the example cell that the page shows while there is no endpoint."""
        return Endpoint.at(self.address, self.user, {"method": "GET", "path": "/hello/:name"}).curl

    @property
    def mcp_address(self) -> str | None:
        """Where agents call the functions of the served notebook; None if it has none."""
        functions = [each for each in self.status.endpoints if each.get("function")] if self.status else []
        return f"{self.address}/mcp" if functions else None

    @property
    def mcp_command(self) -> str:
        """Adds that address to an agent, with a placeholder for the password."""
        name = NOT_IN_A_NAME.sub("_", (self.status and self.status.notebook) or "notebook")
        credentials = f"printf %s {shlex.quote(f'{self.user}:PASSWORD')} | base64 | tr -d '\\n'"
        header = f'--header "Authorization: Basic $({credentials})"'
        return f"claude mcp add --transport http {name} {shlex.quote(f'{self.address}/mcp')} {header}"

    def suggested_request(self) -> ManualRequest:
        return ManualRequest.suggest(self.status.endpoints if self.status else [])

    def suggested_body(self, method: str, path: str) -> str:
        """The body of the request that is suggested with that path, else the usual one."""
        bodies = {(each.method, each.request.path): each.request.body for each in self.endpoints}
        return bodies.get((method, path), DEFAULT_BODIES.get(method, ""))


def last_project(deployment: Deployment) -> str | None:
    """The project that was started last, also if it failed or was stopped; before the first start, that of before."""
    return (read_json(deployment.run.last_start) or {}).get("notebook") or deployment.target.load_last()


def api_user(run: RunDir) -> str:
    """API_USER, or else NOTEBOOK_USER.

    This program's environment has no user names. nginx's password file has both, API_USER last.
    """
    with suppress(OSError, IndexError):
        lines = (run.path / "htpasswd-api").read_text(encoding="utf-8").splitlines()
        return lines[-1].partition(":")[0]
    return "USER"


def log_tail(run: RunDir) -> tuple[str, str]:
    """The last lines of the API's log, and the position after them; empty where it cannot be read."""
    with suppress(OSError), closing(LogReader(run.api_log, LOG_LINES)) as reader:
        return reader.read()[-LOG_CHARACTERS:], reader.position
    return "", ""
