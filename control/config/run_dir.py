"""The run directory: paths of the sockets and files that the programs of the stack share."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLOTS = ("blue", "green")
# The slot file of a gateway that is started before there is a project for it (gateway/arbiter/settings.py).
STANDBY = {"state": "standby"}


@dataclass(frozen=True)
class RunDir:
    """Paths below RUN_DIR (docs/architecture.md lists the writer and the readers of each)."""

    path: Path

    @property
    def nginx_conf(self) -> Path:
        return self.path / "nginx.conf"

    @property
    def supervisord_conf(self) -> Path:
        return self.path / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        return self.path / "supervisor.sock"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def jupyter_socket(self) -> Path:
        return self.path / "jupyter.sock"

    @property
    def serving_link(self) -> Path:
        """A symlink to the serving slot's folder; absent while nothing is served."""
        return self.path / "api"

    @property
    def api_socket(self) -> Path:
        """The serving slot's socket: nginx's upstream, whose link is resolved for each request."""
        return self.serving_link / "api.sock"

    @property
    def api_admin_socket(self) -> Path:
        """The serving slot's admin socket, where nginx asks why a request got no response."""
        return self.serving_link / "admin.sock"

    @property
    def records_socket(self) -> Path:
        """The control app's, for records of requests from kernels and gateways."""
        return self.path / "records.sock"

    @property
    def rejections_socket(self) -> Path:
        """The control app's, for requests that nginx rejects."""
        return self.path / "refusals.sock"

    @property
    def failed_logins_socket(self) -> Path:
        """The control app's, for wrong passwords that nginx reports."""
        return self.path / "failed-logins.sock"

    @property
    def limited_callers(self) -> Path:
        """A folder with an empty file for each caller whose requests nginx limits."""
        return self.path / "limited"

    @property
    def bodies(self) -> Path:
        """The default of BODY_DIR: buffered large bodies."""
        return self.path / "bodies"

    @property
    def api_log(self) -> Path:
        """The output of both slots, in the order of arrival."""
        return self.path / "api.log"

    @property
    def last_error(self) -> Path:
        """Why the last start failed, as JSON; absent after one that succeeded."""
        return self.path / "last-error.json"

    @property
    def last_start(self) -> Path:
        """A copy of the last start's slot file, whether it succeeded or not."""
        return self.path / "last-order.json"

    @property
    def reload(self) -> Path:
        """Whether a save restarts the API, as JSON; absent until the switch is used."""
        return self.path / "reload.json"

    def slot(self, slot: str) -> Path:
        """A slot's folder, which has its program's name."""
        return self.path / slot

    def slot_admin_socket(self, slot: str) -> Path:
        return self.slot(slot) / "admin.sock"

    def slot_file(self, slot: str) -> Path:
        """The project to serve: {"notebook": its name, "path": absolute path of its server.ipynb, "code"}, or STANDBY.

        `code` is the notebook's fingerprint (control/deployment/fingerprint.py) at the start.
        """
        return self.slot(slot) / "slot.json"

    def slot_failure(self, slot: str) -> Path:
        """Written by the gateway when its notebook does not run: cell, line, name, value, traceback."""
        return self.slot(slot) / "failure.json"


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(value, indent=1), encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> Any | None:
    """The file's JSON; None where there is no file, or one that is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def point_link(link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, in the same folder, atomically."""
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target.name)
    partial.replace(link)
