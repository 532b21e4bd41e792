"""Starts, restarts and stops the API, and reports its status."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from control.config.errors import ApiError, CancelledStart, NothingToRestart, ProjectConflict, StorageError
from control.config.run_dir import SLOTS, RunDir, read_json, write_json
from control.config.settings import Settings
from control.deployment.backoff import Backoff
from control.deployment.slots import Slots
from control.deployment.state import ReloadSwitch, Target
from control.deployment.status import State, Status
from control.projects import catalog
from control.projects.catalog import Project
from control.supervision.client import Supervisor


class Deployment:
    """Makes one change at a time; reads never wait for one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run = RunDir(settings.run_dir)
        self.slots = Slots(settings, Supervisor(self.run.supervisor_socket))
        self.listing = catalog.Listing(settings.notebook_dir)
        self.target = Target(self.run, settings.notebook_dir, settings.serve)
        self.reload = ReloadSwitch(self.run, settings.reload)
        self.lock = threading.Lock()  # held during a change
        self.route = threading.Lock()  # held while it changes where callers are routed
        self.pending_stops = 0
        self.busy: str | None = None
        self.restarts = self.failed_restarts = 0  # with starts, since this process started
        self.backoff = Backoff()  # of recovery.py

    def status(self) -> Status:
        """The status now. Raises SupervisorError."""
        slot = self.slots.serving_slot()
        gateway = self.slots.gateway(slot) if slot else None
        missing = None if gateway else self.missing_project()
        error = read_json(self.run.last_error)
        if slot and not gateway and not error:
            error = read_json(self.run.slot_failure(slot))
        return Status(
            state=self._state(slot, gateway is not None and gateway.ready, missing, error),
            notebook=self.slots.project(slot) if slot else (error or {}).get("notebook") or missing,
            since=self.slots.serving_since() if slot else None,
            slot=slot,
            endpoints=gateway.endpoints if gateway else [],
            problems=gateway.problems if gateway else [],
            kernels=gateway.kernels if gateway else 0,
            kernel_deaths=gateway.kernel_deaths if gateway else 0,
            busy=self.slots.environments.busy or self.busy,
            last_error=error,
            reload=self.reload.is_on(),
            retry=self._retry(missing),
        )

    def _state(self, slot: str | None, is_ready: bool, missing: str | None, error: Any) -> State:
        if slot and is_ready:
            return "serving"
        is_coming = self.backoff.is_due if missing else slot is not None
        if self.busy or is_coming:
            return "starting"
        return "failed" if missing or error else "stopped"

    def _retry(self, missing: str | None) -> dict[str, Any] | None:
        if missing is None:
            return None
        return {"notebook": missing, "attempts": self.backoff.attempts, "next": self.backoff.next_time}

    def missing_project(self) -> str | None:
        """The project that should be served and is down, until it is started again. Raises SupervisorError."""
        slot = self.slots.serving_slot()
        if slot and not self.slots.is_down(slot):
            return None
        return (self.slots.project(slot) if slot else None) or self.target.load()

    def start(self, name: str | None = None) -> Status:
        """Serve a project; returns once it is ready. Does nothing for the one that is served already.

        Without a name: the one that is served already, else catalog.find_default. Raises UnknownProject,
        NoDefaultProject, ProjectConflict, NotebookFailure, NotReady, CancelledStart.
        """
        requested = name
        if name is None:
            status = self.status()
            if status.state == "serving":
                return status
            name = catalog.find_default(self.settings.notebook_dir, self.target.load_last()).name
        with self.order(f"Starting {name}."):
            project = catalog.find(self.settings.notebook_dir, name)
            status = self.status()
            if status.state != "serving":
                self.replace(project)
            elif requested and status.notebook != project.name:
                raise ProjectConflict(
                    f"{status.notebook} is being served. Restart the API with {project.name} to replace it."
                )
        return self.status()

    def restart(self, name: str | None = None) -> Status:
        """Start a project in place of the served one, by default the same, which serves until the new one is ready.

        Raises UnknownProject, NothingToRestart, NotebookFailure, NotReady, CancelledStart, after which the served
        one goes on serving.
        """
        name = name or self.status().notebook or self.target.load()
        if not name:
            raise NothingToRestart("Nothing is being served. Name a project: restart?notebook=<project>.")
        with self.order(f"Restarting {name}."):
            self.replace(catalog.find(self.settings.notebook_dir, name))
        return self.status()

    def stop(self) -> Status:
        """Stop serving, or cancel a start; requests in flight are finished."""
        with self.route:  # before it waits for the change in progress, so that callers get a 503 at once
            self.slots.cut_off()
            self.target.clear()
            self.pending_stops += 1
        try:
            with self.order("Stopping."):
                for slot in SLOTS:
                    self.slots.stop(slot)
                for slot in SLOTS:
                    self.slots.wait_until_down(slot)
                self.run.last_error.unlink(missing_ok=True)
        finally:
            with self.route:
                self.pending_stops -= 1
        return self.status()

    def resume(self) -> None:
        """Take over when the control app starts: after a crash of it the API is still serving, and goes on.

        The other slot is stopped: nobody waits any more for a start in it. recovery.py starts what is missing.
        """
        with self.lock:
            serving_slot = self.slots.serving_slot()
            for slot in SLOTS:
                if slot != serving_slot:
                    self.slots.stop(slot)

    @contextmanager
    def change(self, description: str) -> Iterator[None]:
        """Exclude other changes, and report this one in the status."""
        with self.lock:
            self.busy = description
            try:
                yield
            finally:
                self.busy = None

    @contextmanager
    def order(self, description: str) -> Iterator[None]:
        """A change that a person has asked for: the pauses of recovery.py begin anew."""
        with self.change(description):
            try:
                yield
            finally:
                self.backoff.reset()

    def replace(self, project: Project) -> None:
        """Bring the project up in the idle slot, cut over to it, stop the slot that served before.

        Only within a `change`; raises NotebookFailure, NotReady, CancelledStart.
        """
        old = self.slots.serving_slot()
        new = next(slot for slot in SLOTS if slot != old)
        self.restarts += 1
        try:
            self.slots.bring_up(new, project, lambda: self._raise_if_stopped(project))
            with self.route:
                self._raise_if_stopped(project)
                self.slots.cut_over(new)
                self.target.store(project.name)
        except ApiError as error:
            self.failed_restarts += not isinstance(error, CancelledStart)
            serving_slot = self.slots.serving_slot()  # none after a stop meanwhile
            if serving_slot != new:
                self.slots.stop(new)  # where only the cut-over has failed
            if serving_slot and not self.slots.is_down(serving_slot):
                name = self.slots.project(serving_slot)
                error.args = (f"{str(error).rstrip('.')}. {name} goes on serving as it was.",)
            self.store_error(project.name, error)
            raise
        self.run.last_error.unlink(missing_ok=True)
        self.slots.retire(old)

    def _raise_if_stopped(self, project: Project) -> None:
        if self.pending_stops:
            raise CancelledStart(f"The API was stopped while {project.name} was starting.")

    def store_error(self, name: str, error: ApiError) -> None:
        """Store why a project could not be started, for the status."""
        details = {"source": None, **error.details(), "message": str(error), "notebook": name}
        with suppress(StorageError):  # the response has it too
            write_json(self.run.last_error, details)
