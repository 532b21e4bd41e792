"""One project's API: starts it in place of what it serves, stops it, and reports its status."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from control.config.errors import ApiError, CancelledStart, StorageError
from control.config.run_dir import SLOTS, RunDir, api_address, read_json, write_json
from control.config.settings import Settings
from control.deployment.backoff import Backoff
from control.deployment.slots import Slots
from control.deployment.state import ReloadSwitch
from control.deployment.status import State, Status
from control.projects import catalog
from control.projects.catalog import Project
from control.supervision.client import Supervisor

Publish = Callable[[], None]


class Api:
    """Makes one change at a time; reads never wait for one."""

    def __init__(self, name: str, settings: Settings, reload: ReloadSwitch, is_wanted: Callable[[], bool]) -> None:
        """`reload` counts while its own switch is not used; `is_wanted` returns whether it should be served now."""
        run = RunDir(settings.run_dir)
        self.name = name
        self.settings = settings
        self.dir = run.api(name)
        self.slots = Slots(name, settings, Supervisor(run.supervisor_socket, self.dir.group))
        self.is_wanted = is_wanted
        self.reload = ReloadSwitch(self.dir.reload, reload.is_on)
        self.lock = threading.Lock()  # held during a change
        self.route = threading.Lock()  # held while it changes where callers are routed
        self.pending_stops = 0
        self.busy: str | None = None
        self.restarts = self.failed_restarts = 0  # with starts, since this process started
        self.backoff = Backoff()  # of recovery.py

    def status(self, *, is_default: bool = False) -> Status:
        """The status now. Raises SupervisorError."""
        slot = self.slots.link.serving_slot()
        gateway = self.slots.gateway(slot) if slot else None
        is_missing = not gateway and self.is_missing()
        error = self.last_error()
        if slot and not gateway and not error:
            error = read_json(self.dir.slot_failure(slot))
        return Status(
            state=self._state(slot, gateway is not None and gateway.ready, is_missing, error),
            notebook=self.name,
            address=api_address(self.name),
            is_default=is_default,
            since=self.slots.link.serving_since() if slot else None,
            slot=slot,
            endpoints=gateway.endpoints if gateway else [],
            problems=gateway.problems if gateway else [],
            kernels=gateway.kernels if gateway else 0,
            kernel_deaths=gateway.kernel_deaths if gateway else 0,
            busy=self.slots.environments.busy or self.busy,
            last_error=error,
            reload=self.reload.is_on(),
            retry=self._retry() if is_missing else None,
        )

    def _state(self, slot: str | None, is_ready: bool, is_missing: bool, error: Any) -> State:
        if slot and is_ready:
            return "serving"
        is_coming = self.backoff.is_due if is_missing else slot is not None
        if self.busy or is_coming:
            return "starting"
        return "failed" if is_missing or error else "stopped"

    def _retry(self) -> dict[str, Any]:
        return {"notebook": self.name, "attempts": self.backoff.attempts, "next": self.backoff.next_time}

    def is_missing(self) -> bool:
        """Whether it should be served and is down, until it is started again. Raises SupervisorError."""
        slot = self.slots.link.serving_slot()
        return self.is_wanted() and not (slot and self.slots.is_intact(slot) and not self.slots.is_down(slot))

    def last_error(self) -> dict[str, Any] | None:
        """Why the last start failed, as in Status."""
        error: dict[str, Any] | None = read_json(self.dir.last_error)
        return error

    def is_of_interest(self) -> bool:
        """Whether it should be served, is being started or stopped, or its last start failed."""
        return bool(self.is_wanted() or self.busy or self.last_error())

    def set_reload(self, on: bool) -> None:
        """Whether a save restarts it; raises StorageError."""
        self.slots.prepare_folders()
        self.reload.set(on)

    def start(self, project: Project, publish: Publish) -> None:
        """Serve the project, unless it is served already; returns once it is ready.

        `publish` is called as it is cut over to. Raises NotebookFailure, NotReady, CancelledStart.
        """
        with self.order(f"Starting {self.name}."):
            if self.status().state == "serving":
                with self.route:
                    self._raise_if_stopped()
                    publish()
            else:
                self.replace(project, publish)

    def restart(self, project: Project, publish: Publish, default: str | None) -> None:
        """Serve the project's code as it is now in place of what is served, which serves until it is ready.

        `default` is the project that it is to take the place of as the default one. Raises NotebookFailure, NotReady,
        CancelledStart, after which what was served is served on.
        """
        with self.order(f"Restarting {self.name}."):
            self.replace(project, publish, default)

    @contextmanager
    def cut_off(self, withdraw: Callable[[], None]) -> Iterator[None]:
        """Route no request to it any more and cancel its start, so that callers get a 503 at once; for a stop within.

        `withdraw` is called meanwhile: from then on it should not be served.
        """
        with self.route:
            self.slots.link.cut_off()
            withdraw()
            self.pending_stops += 1
        try:
            yield
        finally:
            with self.route:
                self.pending_stops -= 1

    def stop(self) -> None:
        """Finish the requests in flight and end its programs; only within `cut_off`. Raises NotReady."""
        with self.order(f"Stopping {self.name}."):
            for slot in SLOTS:
                self.slots.stop(slot)
            for slot in SLOTS:
                self.slots.wait_until_down(slot)
            self.forget_error()
            self.slots.remove()

    def forget_error(self) -> None:
        self.dir.last_error.unlink(missing_ok=True)

    def resume(self) -> None:
        """Take over when the control app starts: after a crash of it the API is still served, and goes on.

        The other slot is stopped: nobody waits any more for a start in it. recovery.py starts what is missing.
        """
        with self.lock:
            serving_slot = self.slots.link.serving_slot()
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

    def start_again(self, publish: Publish) -> None:
        """As `replace`, with the project as it is found now; raises UnknownProject too."""
        try:
            self.replace(catalog.find(self.settings.notebook_dir, self.name), publish)
        except ApiError as error:
            self.store_error(error)
            raise

    def replace(self, project: Project, publish: Publish, default: str | None = None) -> None:
        """Bring the project up in the idle slot, cut over to it, stop the slot that served before.

        Only within a `change`; raises NotebookFailure, NotReady, CancelledStart.
        """
        old = self.slots.link.serving_slot()
        new = next(slot for slot in SLOTS if slot != old)
        self.restarts += 1
        try:
            self.slots.bring_up(new, project, self._raise_if_stopped)
            with self.route:
                self._raise_if_stopped()
                self._cut_over(old, new, publish)
        except ApiError as error:
            self.failed_restarts += not isinstance(error, CancelledStart)
            serving_slot = self.slots.link.serving_slot()  # none after a stop meanwhile
            if serving_slot != new:
                self.slots.stop(new)  # where only the cut-over has failed
            is_up = serving_slot and not self.slots.is_down(serving_slot)
            if served := self.name if is_up else default:
                error.args = (f"{str(error).rstrip('.')}. {served} goes on serving as it was.",)
            self.store_error(error)
            raise
        self.forget_error()
        self.slots.retire(old)

    def _cut_over(self, old: str | None, new: str, publish: Publish) -> None:
        self.slots.link.cut_over(new)
        try:
            publish()
        except ApiError:  # a full disk
            self.slots.link.cut_over(old) if old else self.slots.link.cut_off()
            raise

    def _raise_if_stopped(self) -> None:
        if self.pending_stops:
            raise CancelledStart(f"{self.name} was stopped while it was starting.")

    def store_error(self, error: ApiError) -> None:
        """Store why the project could not be started, for the status."""
        details = {"source": None, **error.details(), "message": str(error), "notebook": self.name}
        with suppress(StorageError):  # the response has it too
            self.slots.prepare_folders()
            write_json(self.dir.last_error, details)
