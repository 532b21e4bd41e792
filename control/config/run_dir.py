"""The run directory: paths of the sockets and files that the programs of the stack share."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from control.config.errors import StorageError

SLOTS = ("blue", "green")
# The slot file of a gateway that is started before there is a project for it (gateway/arbiter/settings.py).
STANDBY = {"state": "standby"}
API_GROUP = "api-"  # what the names of supervisord's groups of APIs begin with
# Bytes. nginx's working directory is the run directory, so that `apis/<slug>/admin.sock` fits into a socket's path.
MAX_SLUG = 90


class RunDir:
    """Paths below RUN_DIR (docs/architecture.md lists the writer and the readers of each)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nginx_conf = path / "nginx.conf"
        self.supervisord_conf = path / "supervisord.conf"
        self.supervisor_socket = path / "supervisor.sock"
        self.control_socket = path / "control.sock"
        self.jupyter_socket = path / "jupyter.sock"
        self.tools_socket = path / "tools.sock"  # supervisord's, which starts the program behind it on demand
        # nginx's ways in, which it resolves for each request: for each API that is served, a symlink with its slug to
        # its serving slot's folder; and a symlink to the default API's.
        self.api_links = path / "apis"
        self.default_link = path / "default"
        self.slots = path / "slots"  # a folder for each API that was started (ApiDir)
        # The control app's: records from kernels and gateways; rejected requests and wrong passwords from nginx.
        self.records_socket = path / "records.sock"
        self.rejections_socket = path / "refusals.sock"
        self.failed_logins_socket = path / "failed-logins.sock"
        self.limited_callers = path / "limited"  # a folder with an empty file for each caller whom nginx limits
        self.bodies = path / "bodies"  # the default of BODY_DIR: buffered large bodies
        self.not_serving = path / "not-serving.json"  # nginx's response where no API is
        self.serving = path / "serving.json"  # the APIs that should be served (state.py); absent until a change
        self.reload = path / "reload.json"  # whether a save restarts an API; absent until the switch is used

    def api_link(self, project: str) -> Path:
        return self.api_links / slug(project)

    def api(self, project: str) -> "ApiDir":
        """The paths of a project's API, whether it was started or not."""
        digest = hashlib.blake2s(project.encode(), digest_size=4).hexdigest()
        return ApiDir(self.slots / digest, self.api_link(project))

    def project_of_group(self, group: str) -> str | None:
        """The project whose API is this group in supervisord; None where that is not noted."""
        return noted_project(self.slots / group.removeprefix(API_GROUP))


class ApiDir:
    """Paths of one API: the folders of its slots, and what the control app notes of it.

    `path` has a short name, as those of sockets are limited to 107 bytes, which a project's name may have alone.
    """

    def __init__(self, path: Path, link: Path) -> None:
        self.path = path
        self.link = link  # to the serving slot's folder; absent while the API is not served
        self.group = f"{API_GROUP}{path.name}"  # in supervisord
        self.supervisord_conf = path / "supervisord.conf"  # its programs; absent while it has none
        self.project = path / "project.json"  # the project's name
        self.log = path / "api.log"  # the output of both slots, in the order of arrival
        self.last_error = path / "last-error.json"  # why the last start failed; absent after one that succeeded
        self.last_start = path / "last-order.json"  # a copy of its slot file, whether it succeeded or not
        self.reload = path / "reload.json"  # as RunDir.reload, for this API alone

    def slot(self, slot: str) -> Path:
        """A slot's folder, which has its program's name."""
        return self.path / slot

    def slot_admin_socket(self, slot: str) -> Path:
        return self.slot(slot) / "admin.sock"

    def slot_file(self, slot: str) -> Path:
        """What to serve: {"notebook", "path", "address", "code", "settings", "variables"}; or STANDBY with "variables".

        `notebook` is the project's name, `path` the absolute path of its notebook, `address` where the API is called,
        such as `/apis/hello_world`, `code` the notebook's fingerprint at the start
        (control/deployment/fingerprint.py), `settings` those of its own, as environment variables
        (control/projects/own_settings.py), `variables` those of the environment that its kernels run in
        (control/environments/environment.py).
        """
        return self.slot(slot) / "slot.json"

    def slot_request_timeout(self, slot: str, default: int) -> int:
        """The limit for requests of a slot's project, in seconds; `default` if it has none of its own."""
        content = read_json(self.slot_file(slot)) or {}
        return int(content.get("settings", {}).get("REQUEST_TIMEOUT", default))

    def slot_failure(self, slot: str) -> Path:
        """Written by the gateway when its notebook does not run: cell, line, name, value, traceback."""
        return self.slot(slot) / "failure.json"


def is_api_group(name: str) -> bool:
    """Whether a group of supervisord's has the two slots of an API."""
    return name.startswith(API_GROUP)


def slug(project: str) -> str:
    """What stands for a project's name in addresses and in the run directory: a file name of at most 90 bytes.

    Two names may have one slug: `a/b` and `a.b`. A colon is none, as nginx ends the path of a socket there.
    """
    name = project.replace("/", ".").replace(":", "-")
    if len(name.encode()) <= MAX_SLUG:
        return name
    digest = hashlib.blake2s(project.encode(), digest_size=4).hexdigest()
    beginning = name.encode()[: MAX_SLUG - len(digest) - 1].decode(errors="ignore")
    return f"{beginning}-{digest}"


def api_address(project: str) -> str:
    """The path below which a project's API is called, such as `/apis/hello_world`; not percent-encoded."""
    return f"/apis/{slug(project)}"


def socket_behind(link: Path, name: str) -> Path:
    """The path of a slot's socket (`api.sock`, `admin.sock`) behind a link, which may itself be too long for one."""
    return Path(os.path.realpath(link)) / name


def project_behind(link: Path) -> str | None:
    """The project whose slot a link leads to; None if there is no such link. It may have any name."""
    return noted_project(link / "..")


def noted_project(folder: Path) -> str | None:
    """The project whose API has this folder (ApiDir); None where that is not noted."""
    content = read_json(folder / "project.json")
    return content.get("name") if isinstance(content, dict) else None


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; raises StorageError."""
    write_text(path, json.dumps(value, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a file atomically; raises StorageError."""
    partial = path.with_name(f".{path.name}.partial")
    with _storage_errors(path):
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def read_json(path: Path) -> Any | None:
    """The file's JSON; None where there is no file, or one that is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def point_link(link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, relative to it, atomically; raises StorageError."""
    partial = link.with_name(f".{link.name}.partial")
    with _storage_errors(link):
        partial.unlink(missing_ok=True)
        partial.symlink_to(os.path.relpath(target, link.parent))
        partial.replace(link)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
