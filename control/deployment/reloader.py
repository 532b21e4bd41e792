"""Reload on save: restarts an API when the code of its notebook was saved, while its switch is on."""

from collections.abc import Callable
from pathlib import Path

from control.config.errors import ApiError
from control.deployment.api import Api
from control.deployment.fingerprint import NotebookFile
from control.projects import catalog


class Reloader:
    def __init__(self, api: Api, publish: Callable[[], None], is_alone: Callable[[], bool]) -> None:
        """`is_alone` returns whether no API is served."""
        self.api = api
        self.publish = publish
        self.is_alone = is_alone
        self.file = NotebookFile(Path())
        self.last_failure: str | None = None  # the code of a start that failed

    def poll(self) -> bool:
        """Restart the API if its code was saved since its last start; raises as Api.start_again does.

        Returns whether it was restarted.
        """
        if not self.is_active():
            return False
        folder = self.api.settings.notebook_dir / self.api.name
        path = catalog.notebook_in(folder) or folder / catalog.NOTEBOOKS[0]
        if path != self.file.path:
            self.file = NotebookFile(path)
        code = self.file.poll()
        if not code or code in (self.last_failure, self.api.slots.last_code()):
            return False
        try:
            return self._restart(code)
        except ApiError:
            # It may have failed before its code was stored, such as when the folder has become a symlink.
            self.last_failure = code
            raise

    def is_active(self) -> bool:
        """Whether a save restarts the API: one that is served, or that failed to start while none was served."""
        if self.api.pending_stops or not self.api.reload.is_on():
            return False
        return self.api.slots.link.serving_slot() is not None or (self.is_alone() and self.api.last_error() is not None)

    def _restart(self, code: str) -> bool:
        """Unless it was stopped or restarted meanwhile."""
        with self.api.change(f"Restarting {self.api.name}."):
            if not self.is_active() or self.api.slots.last_code() == code:
                return False
            print(f"{self.api.name} was saved: restarting it.", flush=True)
            self.api.start_again(self.publish)
            return True
