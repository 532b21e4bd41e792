"""The link that leads callers to the slot that serves."""

import threading
from contextlib import suppress
from datetime import UTC, datetime

from control.config.errors import ProjectConflict
from control.config.run_dir import SLOTS, ApiDir, api_address, point_link, project_behind


class ServingLink:
    """That of one API. nginx follows it for each request, so callers change slots with it."""

    _lock = threading.Lock()  # held while one is changed, which another project with the same address may want

    def __init__(self, api_dir: ApiDir, project: str) -> None:
        self.dir = api_dir
        self.project = project

    def serving_slot(self) -> str | None:
        """The slot that callers reach; None when nothing is served."""
        with suppress(OSError):
            target = self.dir.link.readlink()
            is_own = target.parent.name == self.dir.path.name  # not that of another project with this address
            if target.name in SLOTS and is_own:
                return target.name
        return None

    def idle_slot(self) -> str:
        """A slot that callers do not reach."""
        serving_slot = self.serving_slot()
        return next(slot for slot in SLOTS if slot != serving_slot)

    def serving_since(self) -> str | None:
        """The time of the last cut-over, in ISO 8601, UTC."""
        with suppress(OSError):
            timestamp = self.dir.link.lstat().st_mtime
            return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")
        return None

    def cut_over(self, slot: str) -> None:
        """Route all requests from now on to this slot; raises ProjectConflict, StorageError."""
        with self._lock:
            self.check_address()
            point_link(self.dir.link, self.dir.slot(slot))

    def check_address(self) -> None:
        """Raises ProjectConflict if another project is served at this one's address."""
        other = project_behind(self.dir.link)
        if other not in (None, self.project):
            raise conflict(str(other), self.project)

    def cut_off(self) -> None:
        """Route no request to a slot: nginx responds with 503."""
        with self._lock:
            if self.serving_slot():
                self.dir.link.unlink(missing_ok=True)


def conflict(other: str, project: str) -> ProjectConflict:
    return ProjectConflict(
        f"{other} is being served at {api_address(other)}, which would be the address of {project} too. Stop {other} "
        "first, or rename one of them."
    )
