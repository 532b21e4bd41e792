"""The two slots, blue and green: bringing one up, and which of them callers reach.

The truth is in the run directory and in supervisord, not in this process: the link `api` names the
serving slot, a file in the slot its project. So the control app may be killed and started again at any time.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from control.config.errors import CancelledStart, NotebookFailure, NotReady
from control.config.run_dir import SLOTS, RunDir, point_link, read_json, write_json
from control.config.settings import Settings
from control.deployment import gateway_client
from control.deployment.fingerprint import code_of
from control.deployment.gateway_client import GatewayStatus
from control.projects.catalog import Project
from control.supervision.client import ENDED, Supervisor

POLL = 0.03  # seconds between two looks at a slot
# What a slot may need beyond its longest request to end; supervisord kills it before (supervisord.conf.j2).
END_MARGIN = 10  # seconds


class Slots:
    """Start, look at and stop the gateways in the two slots."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self.run = RunDir(settings.run_dir)

    # -- which one serves

    def serving(self) -> str | None:
        """The slot that callers reach; None when nothing is served."""
        with suppress(OSError):
            target = self.run.serving.readlink().name
            return target if target in SLOTS else None
        return None

    def idle(self) -> str:
        """A slot that callers do not reach."""
        serving = self.serving()
        return next(slot for slot in SLOTS if slot != serving)

    def serving_since(self) -> str | None:
        """When callers were switched to the serving slot, in ISO 8601, UTC."""
        with suppress(OSError):
            made = self.run.serving.lstat().st_mtime
            return datetime.fromtimestamp(made, UTC).isoformat(timespec="seconds")
        return None

    def cut_over(self, slot: str) -> None:
        """Let every call from now on reach this slot."""
        point_link(self.run.serving, self.run.slot(slot))

    def cut_off(self) -> None:
        """Let no call reach a slot: nginx answers 503 by itself."""
        self.run.serving.unlink(missing_ok=True)

    # -- one slot

    def gateway(self, slot: str) -> GatewayStatus | None:
        """What the slot's gateway says; None while it does not answer."""
        return gateway_client.fetch_status(self.run.slot_admin_socket(slot))

    def project(self, slot: str) -> str | None:
        """The name of the project that the slot is to serve."""
        return (read_json(self.run.slot_file(slot)) or {}).get("notebook")

    def last_code(self, name: str) -> str | None:
        """The fingerprint of the code that a project's last start found; None where that is not known."""
        serving = self.serving()
        for file in (self.run.last_start, *([self.run.slot_file(serving)] if serving else [])):
            order = read_json(file) or {}
            if order.get("notebook") == name:
                return order.get("code")
        return None

    def failure(self, slot: str) -> dict[str, Any] | None:
        """Why the slot's notebook does not run, where its gateway has said so."""
        return read_json(self.run.slot_failure(slot))

    def has_ended(self, slot: str) -> bool:
        """Whether the slot's gateway is down and will stay so."""
        return self.supervisor.process(slot).state in ENDED

    def is_on_standby(self, slot: str) -> bool:
        """Whether the slot's gateway has started and waits to be told what to serve."""
        return not self.run.slot_file(slot).exists() and not self.has_ended(slot)

    def set_standby(self, slot: str, wanted: bool) -> None:
        """Start an idle slot's gateway ahead of its order, or stop one that waits.

        Its imports are half of the time that a restart takes.
        """
        if wanted and self.has_ended(slot):
            self.run.slot_file(slot).unlink(missing_ok=True)
            self.supervisor.start(slot)
        elif not wanted and self.is_on_standby(slot):
            self.stop(slot)

    def stop(self, slot: str, *, wait: bool = False) -> None:
        """Ask a slot to finish its requests and end."""
        self.supervisor.stop(slot, wait=wait)

    def wait_until_ended(self, slot: str) -> None:
        """Wait for a slot that was asked to stop; raises NotReady when it does not."""
        deadline = time.monotonic() + self.settings.request_timeout + END_MARGIN
        while not self.has_ended(slot):
            if time.monotonic() > deadline:
                raise NotReady(f"The slot {slot} still has requests in flight. Try again.")
            time.sleep(POLL)

    def bring_up(self, slot: str, project: Project, cancelled: Callable[[], bool]) -> None:
        """Start a slot and return once it is ready; otherwise stop it and raise.

        Raises NotebookFailed, NotReady, or Cancelled when `cancelled` says so.
        """
        # It may still be finishing requests that it took before the last restart.
        if not self.is_on_standby(slot):
            self.wait_until_ended(slot)
        for left in (self.run.slot_failure(slot), self.run.slot_admin_socket(slot)):
            left.unlink(missing_ok=True)
        # The code is looked at before the gateway reads it: what is saved in between is one more change.
        order = {"notebook": project.name, "path": str(project.notebook), "code": code_of(project.notebook)}
        write_json(self.run.last_start, order)
        write_json(self.run.slot_file(slot), order)
        self.supervisor.start(slot)
        try:
            self._wait_until_ready(slot, project, cancelled)
        except Exception:
            self.stop(slot, wait=True)
            raise

    def _wait_until_ready(self, slot: str, project: Project, cancelled: Callable[[], bool]) -> None:
        limit = self.settings.start_timeout
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            gateway = self.gateway(slot)
            if gateway and gateway.ready:
                return
            self._raise_if_failed(slot, project)
            if cancelled():
                raise CancelledStart(f"The API was stopped while {project.name} was starting.")
            time.sleep(POLL)
        raise NotReady(f"{project.name} was still running its cells after {limit} s (START_TIMEOUT).")

    def _raise_if_failed(self, slot: str, project: Project) -> None:
        failure = self.failure(slot)
        if failure:
            cell = f" (cell {failure['cell']})" if failure["cell"] else ""
            raise NotebookFailure(f"{project.name} does not run{cell}. {failure['name']}: {failure['value']}", failure)
        process = self.supervisor.process(slot)
        if process.state in ENDED or process.state == "BACKOFF":
            raise NotebookFailure(
                f"{project.name} does not run: its gateway ended. {process.why}",
                {"cell": None, "line": None, "name": "GatewayEnded", "value": process.why, "traceback": ""},
            )
