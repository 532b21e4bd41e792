"""Reload on save: restarts the API when the code of its notebook was saved, while the switch is on."""

from pathlib import Path

from control.config.errors import ApiError
from control.config.run_dir import read_json
from control.deployment.deployment import Deployment
from control.deployment.fingerprint import NotebookFile
from control.projects import catalog


class Reloader:
    def __init__(self, api: Deployment) -> None:
        self.api = api
        self.file = NotebookFile(Path())
        self.last_failure: tuple[str, str] | None = None

    def keep_standby(self) -> None:
        """Have a gateway on standby while a save would restart the API, and none otherwise."""
        with self.api.lock:
            self.api.slots.set_standby(self.api.slots.idle_slot(), self.project() is not None)

    def poll(self) -> None:
        """Restart the project if its code was saved since its last start; raises as Deployment.restart does."""
        name = self.project()
        if name is None:
            return
        folder = self.api.settings.notebook_dir / name
        path = catalog.notebook_in(folder) or folder / catalog.NOTEBOOKS[0]
        if path != self.file.path:
            self.file = NotebookFile(path)
        code = self.file.poll()
        if code and (name, code) != self.last_failure and code != self.api.slots.last_code(name):
            try:
                self.restart(name, code)
            except ApiError:
                # It may have failed before its code was stored, such as when the folder has become a symlink.
                self.last_failure = name, code
                raise

    def project(self) -> str | None:
        """The project to restart on save: the served one, or one that failed to start while none was served."""
        if self.api.pending_stops or not self.api.reload.is_on():
            return None
        slot = self.api.slots.serving_slot()
        return self.api.slots.project(slot) if slot else (read_json(self.api.run.last_error) or {}).get("notebook")

    def restart(self, name: str, code: str) -> None:
        """Restart a project whose code was saved, unless it was stopped or restarted meanwhile."""
        with self.api.change(f"Restarting {name}."):
            if self.project() == name and self.api.slots.last_code(name) != code:
                print(f"{name} was saved: restarting it.", flush=True)
                self.api.replace(catalog.find(self.api.settings.notebook_dir, name))
