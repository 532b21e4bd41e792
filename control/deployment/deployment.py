"""The API's life: start, restart, stop, and what is served now."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from control.config.errors import ApiError, CancelledStart, NothingToRestart, ProjectConflict
from control.config.run_dir import SLOTS, read_json, write_json
from control.config.settings import Settings
from control.deployment.gateway_client import GatewayStatus
from control.deployment.slots import Slots
from control.deployment.state import LastServed, ReloadSwitch
from control.projects import catalog
from control.projects.catalog import Project
from control.supervision.client import Supervisor

State = Literal["stopped", "starting", "serving", "failed"]


@dataclass(frozen=True)
class Status:
    """What is served and whether it is well.

    `since` is ISO 8601 in UTC; `endpoints`, `problems`, `kernels` and `kernel_deaths` are as in
    gateway_client.GatewayStatus; `busy` what is being done right now,
    such as "Restarting hello_world.", `last_error` {"message", "notebook", "cell", "line", "name",
    "value", "traceback", "source": the cell's text} of the last start that failed, gone after a good one
    or a stop; `reload` whether a save restarts what is served.
    """

    state: State
    notebook: str | None
    since: str | None
    slot: str | None
    endpoints: list[dict[str, str]]
    problems: list[dict[str, Any]]
    kernels: int
    kernel_deaths: int
    busy: str | None
    last_error: dict[str, Any] | None
    reload: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Deployment:
    """Changes happen one after the other; reads never wait for one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.supervisor = Supervisor(settings.run_dir / "supervisor.sock")
        self.slots = Slots(settings, self.supervisor)
        self.run = self.slots.run
        self.listing = catalog.Listing(settings.notebook_dir)
        self.last_served = LastServed(settings.notebook_dir)
        self.reload = ReloadSwitch(self.run, settings.reload)
        self.changing = threading.Lock()
        self.stops_waiting = 0
        self.busy: str | None = None
        self.restarts = self.failed_restarts = 0  # starts too, since this program started

    def status(self) -> Status:
        """What is served now. Raises SupervisorError."""
        slot = self.slots.serving_slot()
        gateway = self.slots.gateway(slot) if slot else None
        error = read_json(self.run.last_error)
        if slot and not gateway and not error:
            error = self.slots.failure(slot)
        return Status(
            state=self._state(slot, gateway, error),
            notebook=self.slots.project(slot) if slot else (error or {}).get("notebook"),
            since=self.slots.serving_since() if slot else None,
            slot=slot,
            endpoints=gateway.endpoints if gateway else [],
            problems=gateway.problems if gateway else [],
            kernels=gateway.kernels if gateway else 0,
            kernel_deaths=gateway.kernel_deaths if gateway else 0,
            busy=self.busy,
            last_error=error,
            reload=self.reload.is_on(),
        )

    def _state(self, slot: str | None, gateway: GatewayStatus | None, error: Any) -> State:
        if slot and gateway and gateway.ready:
            return "serving"
        if slot:
            return "failed" if self.slots.has_ended(slot) else "starting"
        if self.busy:
            return "starting"
        return "failed" if error else "stopped"

    def start(self, name: str) -> Status:
        """Serve a project; returns once it answers. One that is served already is left alone.

        Raises UnknownProject, ProjectConflict, NotebookFailure, NotReady, CancelledStart.
        """
        with self.change(f"Starting {name}."):
            project = catalog.find(self.settings.notebook_dir, name)
            now = self.status()
            if now.state == "serving" and now.notebook != project.name:
                raise ProjectConflict(
                    f"{now.notebook} is being served. Restart the API with {project.name} to replace it."
                )
            if now.state != "serving":
                self.replace(project)
        return self.status()

    def restart(self, name: str | None = None) -> Status:
        """Serve a project anew, by default the one being served, which answers until the new one does.

        Raises UnknownProject, NothingToRestart, NotebookFailure, NotReady, CancelledStart; what was served
        before then goes on being served.
        """
        name = name or self.status().notebook or self.last_served.name()
        if not name:
            raise NothingToRestart("Nothing is being served. Name a project: restart?notebook=<project>.")
        with self.change(f"Restarting {name}."):
            self.replace(catalog.find(self.settings.notebook_dir, name))
        return self.status()

    def stop(self) -> Status:
        """Stop serving, or give up a start; requests in flight are finished. Else does nothing."""
        self.stops_waiting += 1
        try:
            with self.change("Stopping."):
                self.slots.cut_off()  # first, so that callers get a clear 503 at once
                for slot in SLOTS:
                    self.slots.stop(slot)
                for slot in SLOTS:
                    self.slots.wait_until_ended(slot)
                self.run.last_error.unlink(missing_ok=True)
                self.last_served.remember(None)
        finally:
            self.stops_waiting -= 1
        return self.status()

    def resume(self) -> None:
        """Bring up what should be served when the control app starts; a failure is kept for the status.

        A control app that was killed finds the API serving and leaves it so. A slot that its predecessor
        was bringing up has nobody who waits for it, and is stopped.
        """
        with self.changing:
            serving_slot = self.slots.serving_slot()
            for slot in SLOTS:
                if slot != serving_slot:
                    self.slots.stop(slot)
        name = None if serving_slot else self.settings.serve or self.last_served.name()
        if name:
            try:
                self.start(name)
            except ApiError as error:
                print(error, flush=True)
                if not self.run.last_error.exists():
                    kept = {**error.details(), "message": str(error), "notebook": name}
                    write_json(self.run.last_error, kept)

    @contextmanager
    def change(self, what: str) -> Iterator[None]:
        """Let nothing else change meanwhile, and tell in the status what is being done."""
        with self.changing:
            self.busy = what
            try:
                yield
            finally:
                self.busy = None

    def replace(self, project: Project) -> None:
        """Bring the project up in the idle slot, let callers reach it, stop the slot that served before.

        To be called within a `change`; raises NotebookFailure, NotReady, CancelledStart.
        """
        old, new = self.slots.serving_slot(), self.slots.idle_slot()
        self.restarts += 1
        try:
            self.slots.bring_up(new, project, cancelled=lambda: self.stops_waiting > 0)
        except ApiError as error:
            self.failed_restarts += not isinstance(error, CancelledStart)
            if old:
                sentence = str(error).rstrip(".")
                error.args = (f"{sentence}. {self.slots.project(old)} goes on serving as it was.",)
            kept = {**error.details(), "message": str(error), "notebook": project.name}
            kept["source"] = project.code_cell(kept.get("cell"))
            write_json(self.run.last_error, kept)
            raise
        self.slots.cut_over(new)
        self.run.last_error.unlink(missing_ok=True)
        self.last_served.remember(project.name)
        if old:
            self.slots.stop(old)
