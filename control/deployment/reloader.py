"""Reload on save: what is served starts anew when its code was saved, while the switch is on."""

import time
from pathlib import Path

from control.config.errors import ApiError
from control.config.run_dir import read_json
from control.deployment.deployment import Deployment
from control.deployment.fingerprint import NotebookFile
from control.projects import catalog
from control.supervision.client import ShutdownInProgress, SupervisorError

# Seconds between two looks at the notebook. Looking works on network volumes too, where no events come of
# what others write, and costs one open() where nothing has changed.
LOOK = 0.1
READY_LOOK = 1.0  # between two looks at the gateway that is kept ready


class Reloader:
    """The one watcher of a stack: it runs in the control app, which is one process."""

    def __init__(self, api: Deployment) -> None:
        self.api = api
        self.file = NotebookFile(Path())
        self.tried: tuple[str, str] | None = None
        self.next_ready_look = 0.0

    def run(self) -> None:
        """Look until the stack ends."""
        while True:
            try:
                self.look()
            except ShutdownInProgress:
                return
            except (ApiError, SupervisorError, OSError) as error:
                print(f"Reload on save: {error}", flush=True)  # the homepage tells it from the status
            time.sleep(LOOK)

    def look(self) -> None:
        """Restart what is wanted if its code was saved since its last start; raises as Api.restart does."""
        name = self.wanted()
        if time.monotonic() >= self.next_ready_look:
            self.next_ready_look = time.monotonic() + READY_LOOK
            self.keep_ready()
        if name is None:
            return
        path = self.api.settings.notebook_dir / name / catalog.NOTEBOOK
        if path != self.file.path:
            self.file = NotebookFile(path)
        code = self.file.look()
        # One that could not even be tried, as its folder has become a symlink, is not tried for ever.
        if code and (name, code) != self.tried and code != self.api.slots.last_code(name):
            self.tried = name, code
            self.restart(name, code)

    def wanted(self) -> str | None:
        """The project whose saves count: that is served, or failed to start while nothing else was."""
        if not self.api.reload.is_on():
            return None
        slot = self.api.slots.serving_slot()
        return self.api.slots.project(slot) if slot else (read_json(self.api.run.last_error) or {}).get("notebook")

    def restart(self, name: str, code: str) -> None:
        """Restart a project whose code was saved, unless it was stopped or restarted meanwhile."""
        with self.api.change(f"Restarting {name}."):
            if self.wanted() == name and self.api.slots.last_code(name) != code:
                print(f"{name} was saved: restarting it.", flush=True)
                self.api.replace(catalog.find(self.api.settings.notebook_dir, name))

    def keep_ready(self) -> None:
        """Keep a gateway started for the next restart while one is to be expected, else none."""
        with self.api.changing:
            self.api.slots.set_standby(self.api.slots.idle_slot(), self.wanted() is not None)
