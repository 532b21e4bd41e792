"""The run directory: paths of the sockets and files that the programs of the stack share."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from control.config.errors import StorageError

SLOTS = ("blue", "green")
# The slot file of a gateway that is started before there is a project for it (gateway/arbiter/settings.py).
STANDBY = {"state": "standby"}


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
        self.serving_link = path / "api"  # a symlink to the serving slot's folder; absent while nothing is served
        self.api_socket = self.serving_link / "api.sock"  # nginx's upstream: it resolves the link for each request
        self.api_admin_socket = self.serving_link / "admin.sock"  # where nginx asks why a request got no response
        # The control app's: records from kernels and gateways; rejected requests and wrong passwords from nginx.
        self.records_socket = path / "records.sock"
        self.rejections_socket = path / "refusals.sock"
        self.failed_logins_socket = path / "failed-logins.sock"
        self.limited_callers = path / "limited"  # a folder with an empty file for each caller whom nginx limits
        self.bodies = path / "bodies"  # the default of BODY_DIR: buffered large bodies
        self.api_log = path / "api.log"  # the output of both slots, in the order of arrival
        self.last_error = path / "last-error.json"  # why the last start failed; absent after one that succeeded
        self.last_start = path / "last-order.json"  # a copy of its slot file, whether it succeeded or not
        # The project that should be served, or was until a stop (state.py); absent until the first start or stop
        self.target = path / "target.json"
        self.reload = path / "reload.json"  # whether a save restarts the API; absent until the switch is used

    def slot(self, slot: str) -> Path:
        """A slot's folder, which has its program's name."""
        return self.path / slot

    def slot_admin_socket(self, slot: str) -> Path:
        return self.slot(slot) / "admin.sock"

    def slot_file(self, slot: str) -> Path:
        """The project to serve: {"notebook", "path", "code", "settings", "variables"}; or STANDBY with "variables".

        `notebook` is its name, `path` the absolute path of its notebook, `code` its fingerprint at the start
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


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; raises StorageError."""
    partial = path.with_name(f".{path.name}.partial")
    with _storage_errors(path):
        partial.write_text(json.dumps(value, indent=1), encoding="utf-8")
        partial.replace(path)


def read_json(path: Path) -> Any | None:
    """The file's JSON; None where there is no file, or one that is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def point_link(link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, in the same folder, atomically; raises StorageError."""
    partial = link.with_name(f".{link.name}.partial")
    with _storage_errors(link):
        partial.unlink(missing_ok=True)
        partial.symlink_to(target.name)
        partial.replace(link)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
