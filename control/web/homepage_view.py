"""The data that the homepage shows, collected at one moment."""

import hashlib
import re
import shlex
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from control.config.run_dir import RunDir
from control.deployment.deployment import Deployment
from control.deployment.status import Status
from control.logs.reader import LogReader
from control.supervision.client import SupervisorError
from control.traffic.manual_request import DEFAULT_BODIES, ManualRequest
from control.web.endpoint import Endpoint, api_path

LOG_LINES = 200
LOG_CHARACTERS = 100_000  # a line may be long
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")  # of a server, as agents name it
MISSING_MODULE = re.compile(r"No module named '([^'.]+)")  # of a ModuleNotFoundError


@dataclass(frozen=True)
class HomepageView:
    """What the page shows of one project, beside a list of all APIs.

    Without `status`, `status_error` says why; `user` is who calls the API.
    """

    project: str | None  # None: there is none
    status: Status | None
    status_error: str | None
    apis: list[Status]  # those that should be served, are being started, or failed
    default: str | None  # the project whose API answers at /invoke/
    projects: dict[str, str]  # the file of each one's notebook, by its name
    read_only: list[str]  # those of them that cannot be saved
    with_both: list[str]  # those of them with a server.py that does not count
    user: str
    log: str
    log_position: str  # from where to follow it
    address: str  # of this site as the browser sees it

    @classmethod
    def load(cls, deployment: Deployment, address: str, name: str | None = None) -> "HomepageView":
        """Of the project `name`, by default `find_project`'s.

        Never raises: this page is where a person looks when something is broken.
        """
        projects = deployment.listing.files()
        project = name or find_project(deployment, projects)
        apis: list[Status] = []
        try:
            apis = deployment.statuses()
            status, status_error = find_status(deployment, project, projects, apis), None
        except SupervisorError as error:
            status, status_error = None, f"{error}."
        log, log_position = log_tail(deployment.find_log(project))
        return cls(
            project=project,
            status=status,
            status_error=status_error,
            apis=apis,
            default=deployment.serving.default,
            projects=projects,
            read_only=deployment.listing.read_only(),
            with_both=deployment.listing.with_both(),
            user=api_user(deployment.run),
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
    def is_up(self) -> bool:
        return bool(self.status and self.status.state == "serving")

    @property
    def is_unknown(self) -> bool:
        """Whether there neither is nor was a project of that name."""
        names = [*self.projects, *(api.notebook for api in self.apis)]
        return bool(self.status and self.project and self.project not in names)

    @property
    def lists_apis(self) -> bool:
        """Whether there is more to say of all APIs than the rest of the page does."""
        return any(api.notebook != self.project or (self.is_up and not api.is_default) for api in self.apis)

    @property
    def served(self) -> list[str | None]:
        return [api.notebook for api in self.apis if api.state == "serving"]

    @property
    def path(self) -> str:
        """Below which the project is called, or will be once it is started, percent-encoded."""
        becomes_default = not self.default and not self.is_up
        return api_path(self.project or "", is_default=becomes_default or self.project == self.default)

    def address_of(self, api: Status) -> str:
        """Where one of `apis` is called, also once another is the default."""
        return self.address + api_path(api.notebook or "", is_default=False)

    @property
    def verb(self) -> str:
        """The change in progress, such as "Starting"; empty if there is none."""
        return ((self.status and self.status.busy) or "").partition(" ")[0]

    @property
    def endpoints(self) -> list[Endpoint]:
        endpoints = self.status.endpoints if self.status else []
        return [Endpoint.at(self.address + self.path, self.user, each) for each in endpoints]

    @property
    def missing_package(self) -> str | None:
        """The package that the last start has missed, by the name of its module."""
        error = (self.status and self.status.last_error) or {}
        match = MISSING_MODULE.match(error.get("value") or "") if error.get("name") == "ModuleNotFoundError" else None
        return match[1] if match else None

    @property
    def example_curl(self) -> str:
        """Calls the example cell that the page shows while there is no endpoint."""
        return Endpoint.at(self.address + self.path, self.user, {"method": "GET", "path": "/hello/:name"}).curl

    @property
    def mcp_address(self) -> str | None:
        """Where agents call the functions of the project; None if it has none."""
        functions = [each for each in self.status.endpoints if each.get("function")] if self.status else []
        return f"{self.address}{self.path.removeprefix('/invoke')}/mcp" if functions else None

    @property
    def mcp_command(self) -> str:
        """Adds that address to an agent, with a placeholder for the password."""
        name = NOT_IN_A_NAME.sub("_", self.project or "notebook")
        credentials = f"printf %s {shlex.quote(f'{self.user}:PASSWORD')} | base64 | tr -d '\\n'"
        header = f'--header "Authorization: Basic $({credentials})"'
        return f"claude mcp add --transport http {name} {shlex.quote(self.mcp_address or '')} {header}"

    def suggested_request(self) -> ManualRequest:
        return ManualRequest.suggest(self.status.endpoints if self.status else [])

    def suggested_body(self, method: str, path: str) -> str:
        """The body of the request that is suggested with that path, else the usual one."""
        bodies = {(each.method, each.request.path): each.request.body for each in self.endpoints}
        return bodies.get((method, path), DEFAULT_BODIES.get(method, ""))


def find_project(deployment: Deployment, projects: Mapping[str, str]) -> str | None:
    """The project to show at first.

    The default API's, that whose start is running or has failed, the last default API's, hello_world, any.
    """
    serving = deployment.serving
    if serving.default:
        return serving.default  # also where its folder is missing: it is served
    newcomer = deployment.find_api()
    names = (newcomer.name if newcomer else None, serving.last_default, "hello_world")
    return next((name for name in names if name in projects), next(iter(projects), None))


def find_status(deployment: Deployment, project: str | None, projects: Mapping[str, str], apis: list[Status]) -> Status:
    """The project's, one of `apis` if it is there; raises SupervisorError."""
    status = next((api for api in apis if api.notebook == project), None)
    if status or project not in projects:
        return status or Status(notebook=project)
    return deployment.status(project)


def api_user(run: RunDir) -> str:
    """API_USER, or else NOTEBOOK_USER.

    This program's environment has no user names. nginx's password file has both, API_USER last.
    """
    with suppress(OSError, IndexError):
        lines = (run.path / "htpasswd-api").read_text(encoding="utf-8").splitlines()
        return lines[-1].partition(":")[0]
    return "USER"


def log_tail(file: Path) -> tuple[str, str]:
    """The last lines of a log, and the position after them; empty where it cannot be read."""
    with suppress(OSError), closing(LogReader(lambda: file, LOG_LINES)) as reader:
        return reader.read()[-LOG_CHARACTERS:], reader.position
    return "", ""
