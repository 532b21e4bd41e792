"""Starts, restarts and stops the API, and reports its status."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from control.config.errors import ApiError, CancelledStart, NothingToRestart, ProjectConflict
from control.config.run_dir import SLOTS, RunDir, read_json, write_json
from control.config.settings import Settings
from control.deployment.gateway_client import GatewayStatus
from control.deployment.slots import Slots
from control.deployment.state import LastProject, ReloadSwitch
from control.projects import catalog
from control.projects.catalog import Project
from control.supervision.client import Supervisor

State = Literal["stopped", "starting", "serving", "failed"]


@dataclass(frozen=True)
class Status:
    """What is served, and its health.

    `since`: ISO 8601 in UTC; `endpoints`, `problems`, `kernels` and `kernel_deaths` as in
    gateway_client.GatewayStatus; `busy`: the change in progress, such as "Restarting hello_world.";
    `last_error`: {"message", "notebook", "cell", "line", "name", "value", "traceback", "source": the cell's
    text} of the last start, None after one that succeeded or a stop; `reload`: whether a save restarts the API.
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


class Deployment:
    """Makes one change at a time; reads never wait for one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run = RunDir(settings.run_dir)
        self.slots = Slots(settings, Supervisor(self.run.supervisor_socket))
        self.listing = catalog.Listing(settings.notebook_dir)
        self.last_project = LastProject(settings.notebook_dir)
        self.reload = ReloadSwitch(self.run, settings.reload)
        self.lock = threading.Lock()  # held during a change
        self.pending_stops = 0
        self.busy: str | None = None
        self.restarts = self.failed_restarts = 0  # with starts, since this process started

    def status(self) -> Status:
        """The status now. Raises SupervisorError."""
        slot = self.slots.serving_slot()
        gateway = self.slots.gateway(slot) if slot else None
        error = read_json(self.run.last_error)
        if slot and not gateway and not error:
            error = read_json(self.run.slot_failure(slot))
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
            return "failed" if self.slots.is_down(slot) else "starting"
        if self.busy:
            return "starting"
        return "failed" if error else "stopped"

    def start(self, name: str) -> Status:
        """Serve a project; returns once it is ready. Does nothing for the one that is served already.

        Raises UnknownProject, ProjectConflict, NotebookFailure, NotReady, CancelledStart.
        """
        with self.change(f"Starting {name}."):
            project = catalog.find(self.settings.notebook_dir, name)
            status = self.status()
            if status.state == "serving" and status.notebook != project.name:
                raise ProjectConflict(
                    f"{status.notebook} is being served. Restart the API with {project.name} to replace it."
                )
            if status.state != "serving":
                self.replace(project)
        return self.status()

    def restart(self, name: str | None = None) -> Status:
        """Start a project in place of the served one, by default the same, which serves until the new one is ready.

        Raises UnknownProject, NothingToRestart, NotebookFailure, NotReady, CancelledStart, after which the served
        one goes on serving.
        """
        name = name or self.status().notebook or self.last_project.load()
        if not name:
            raise NothingToRestart("Nothing is being served. Name a project: restart?notebook=<project>.")
        with self.change(f"Restarting {name}."):
            self.replace(catalog.find(self.settings.notebook_dir, name))
        return self.status()

    def stop(self) -> Status:
        """Stop serving, or cancel a start; requests in flight are finished."""
        self.pending_stops += 1
        try:
            with self.change("Stopping."):
                self.slots.cut_off()  # first, so that callers get a 503 at once
                for slot in SLOTS:
                    self.slots.stop(slot)
                for slot in SLOTS:
                    self.slots.wait_until_down(slot)
                self.run.last_error.unlink(missing_ok=True)
                self.last_project.store(None)
        finally:
            self.pending_stops -= 1
        return self.status()

    def resume(self) -> None:
        """Start what should be served when the control app starts; a failure is stored for the status.

        After a crash of the control app the API is still serving, and goes on. The other slot is stopped: nobody
        waits any more for a start in it.
        """
        with self.lock:
            serving_slot = self.slots.serving_slot()
            for slot in SLOTS:
                if slot != serving_slot:
                    self.slots.stop(slot)
        name = None if serving_slot else self.settings.serve or self.last_project.load()
        if name:
            try:
                self.start(name)
            except ApiError as error:
                print(error, flush=True)
                if not self.run.last_error.exists():
                    write_json(self.run.last_error, {**error.details(), "message": str(error), "notebook": name})

    @contextmanager
    def change(self, description: str) -> Iterator[None]:
        """Exclude other changes, and report this one in the status."""
        with self.lock:
            self.busy = description
            try:
                yield
            finally:
                self.busy = None

    def replace(self, project: Project) -> None:
        """Bring the project up in the idle slot, cut over to it, stop the slot that served before.

        Only within a `change`; raises NotebookFailure, NotReady, CancelledStart.
        """
        old, new = self.slots.serving_slot(), self.slots.idle_slot()
        self.restarts += 1
        try:
            self.slots.bring_up(new, project, cancelled=lambda: self.pending_stops > 0)
        except ApiError as error:
            self.failed_restarts += not isinstance(error, CancelledStart)
            if old:
                error.args = (f"{str(error).rstrip('.')}. {self.slots.project(old)} goes on serving as it was.",)
            details = {**error.details(), "message": str(error), "notebook": project.name}
            details["source"] = project.code_cell(details.get("cell"))
            write_json(self.run.last_error, details)
            raise
        self.slots.cut_over(new)
        self.run.last_error.unlink(missing_ok=True)
        self.last_project.store(project.name)
        if old:
            self.slots.stop(old)
