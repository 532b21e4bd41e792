"""What the homepage shows, gathered at one moment."""

import hashlib
import re
import shlex
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from control.config.run_dir import RunDir
from control.deployment.deployment import Deployment, Status
from control.logs.reader import LogReader
from control.supervision.client import SupervisorError
from control.traffic.manual_request import BODIES, ManualRequest

LOG_LINES = 200
LOG_CHARACTERS = 100_000  # a line may be long
PARAMETER = re.compile(r"(?<=/):(\w+)")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint, and a shell line that calls it; the reader replaces the words in capitals."""

    method: str
    path: str
    curl: str
    body: str  # to begin with

    @classmethod
    def at(cls, address: str, user: str, method: str, path: str) -> "Endpoint":
        """`address` is what the browser calls this site, such as `http://localhost:8080`."""
        url = address + "/invoke" + PARAMETER.sub(lambda found: found[1].upper(), path)
        words = ["curl", "-u", f"{user}:PASSWORD"]
        if method not in ("GET", "POST"):
            words += ["-X", method]
        if body := BODIES.get(method):
            words += ["-H", "Content-Type: application/json", "-d", body]
        return cls(method, path, shlex.join([*words, url]), body or "")


@dataclass(frozen=True)
class HomepageView:
    """`status` is None where it cannot be told, and `trouble` says why; `user` is who calls the API."""

    status: Status | None
    trouble: str | None
    projects: list[str]
    endpoints: list[Endpoint]
    user: str
    log: str
    log_position: str  # where to follow it from
    address: str

    @classmethod
    def now(cls, api: Deployment, address: str) -> "HomepageView":
        """Never raises: this page is where a person looks when something is broken."""
        status, trouble = None, None
        try:
            status = api.status()
        except SupervisorError as error:
            trouble = f"{error}."
        user = caller(api.run)
        endpoints = status.endpoints if status else []
        log, log_position = log_tail(api.run)
        return cls(
            status=status,
            trouble=trouble,
            projects=api.listing.names(),
            endpoints=[Endpoint.at(address, user, one["method"], one["path"]) for one in endpoints],
            user=user,
            log=log,
            log_position=log_position,
            address=address,
        )

    @property
    def version(self) -> str:
        """Changes when anything does that is shown, but for the log, which a page follows by itself."""
        shown = replace(self, log="", log_position="")
        return hashlib.blake2s(repr(shown).encode(errors="replace"), digest_size=8).hexdigest()

    @property
    def project(self) -> str | None:
        """The project to choose at first: the one that is served, failed, is known to all, or is first."""
        if self.status and self.status.state == "serving":
            return self.status.notebook  # also where its folder is gone: a restart must not take another in its place
        named = self.status.notebook if self.status else None
        failed = (self.status.last_error or {}).get("notebook") if self.status else None
        wanted = [name for name in (named, failed, "hello_world") if name in self.projects]
        return next(iter(wanted or self.projects), None)

    @property
    def activity(self) -> tuple[str, str]:
        """What is being done and to which project, such as ("Starting", "hello_world")."""
        verb, _, name = ((self.status and self.status.busy) or "").removesuffix(".").partition(" ")
        return verb, name

    @property
    def example_curl(self) -> str:
        """What calls the cell that the page shows while there is no endpoint."""
        return Endpoint.at(self.address, self.user, "GET", "/hello/:name").curl

    def suggested_trial(self) -> ManualRequest:
        return ManualRequest.suggested(self.status.endpoints if self.status else [])


def caller(run: RunDir) -> str:
    """The user who is meant to call the API: API_USER, or else NOTEBOOK_USER.

    Their names are not in this program's environment. nginx's password file has them in that order, last
    to first.
    """
    with suppress(OSError, IndexError):
        lines = (run.path / "htpasswd-api").read_text(encoding="utf-8").splitlines()
        return lines[-1].partition(":")[0]
    return "USER"


def log_tail(run: RunDir) -> tuple[str, str]:
    """The last lines of the API's log, and where it goes on after them; empty where it cannot be read."""
    with suppress(OSError), closing(LogReader(run.api_log, LOG_LINES)) as reader:
        return reader.read()[-LOG_CHARACTERS:], reader.position
    return "", ""
