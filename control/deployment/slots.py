"""The two slots, blue and green: starts and stops their gateways, and routes callers to one of them.

The truth is in the run directory and in supervisord, not in this process: the link `api` leads to the serving slot,
and a slot's file has its project. So the control app may be killed and started again at any time.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum

from control.config.errors import NotebookFailure, NotReady
from control.config.run_dir import SLOTS, STANDBY, RunDir, point_link, read_json, write_json
from control.config.settings import SettingError, Settings
from control.deployment import gateway_client
from control.deployment.fingerprint import file_fingerprint
from control.deployment.gateway_client import GatewayStatus
from control.environments.project_environments import ProjectEnvironments
from control.projects import own_settings
from control.projects.catalog import Project
from control.supervision.client import DOWN, Supervisor
from control.supervision.printer import API_LOG_BYTES, RotatedFile

POLL = 0.03  # seconds between two checks of a slot
# How much longer than its longest request a slot may take to stop; supervisord kills it earlier (supervisord.conf.j2).
STOP_MARGIN = 10  # seconds


class SlotState(Enum):
    """What a slot's gateway does, from supervisord's state of it and its slot file."""

    DOWN = "down"  # and stays so until it is started
    STANDBY = "standby"  # up, and waits for a project
    STANDBY_FAILED = "standby failed"  # its start failed; supervisord retries, or has given up
    UP = "up"  # with a project, also between a crash and its restart
    STOPPING = "stopping"  # it finishes its requests


class Slots:
    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self.run = RunDir(settings.run_dir)
        self.log = RotatedFile(self.run.api_log, API_LOG_BYTES)
        self.environments = ProjectEnvironments(settings, self.print_line)

    def print_line(self, line: str) -> None:
        """Print to the log of the API too, as the slots do."""
        with suppress(OSError):  # nobody may read the output any more, or the disk is full
            print(line, flush=True)
            self.log.write(f"{line}\n".encode())

    def serving_slot(self) -> str | None:
        """The slot that callers reach; None when nothing is served."""
        with suppress(OSError):
            target = self.run.serving_link.readlink().name
            return target if target in SLOTS else None
        return None

    def idle_slot(self) -> str:
        """A slot that callers do not reach."""
        serving_slot = self.serving_slot()
        return next(slot for slot in SLOTS if slot != serving_slot)

    def serving_since(self) -> str | None:
        """The time of the last cut-over, in ISO 8601, UTC."""
        with suppress(OSError):
            timestamp = self.run.serving_link.lstat().st_mtime
            return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")
        return None

    def cut_over(self, slot: str) -> None:
        """Route all requests from now on to this slot."""
        point_link(self.run.serving_link, self.run.slot(slot))

    def cut_off(self) -> None:
        """Route no request to a slot: nginx responds with 503."""
        self.run.serving_link.unlink(missing_ok=True)

    def gateway(self, slot: str) -> GatewayStatus | None:
        """The status that the slot's gateway reports; None while it does not respond."""
        return gateway_client.fetch_status(self.run.slot_admin_socket(slot))

    def project(self, slot: str) -> str | None:
        return (read_json(self.run.slot_file(slot)) or {}).get("notebook")

    def request_timeout(self, slot: str | None) -> int:
        """The limit for requests of the slot's project, in seconds; without a slot, that of the environment."""
        default = self.settings.request_timeout
        return self.run.slot_request_timeout(slot, default) if slot else default

    def last_code(self, name: str) -> str | None:
        """The fingerprint of a project's code at its last start; None where that is not known."""
        serving_slot = self.serving_slot()
        for file in (self.run.last_start, *([self.run.slot_file(serving_slot)] if serving_slot else [])):
            content = read_json(file) or {}
            if content.get("notebook") == name:
                return content.get("code")
        return None

    def state(self, slot: str) -> SlotState:
        process = self.supervisor.process(slot).state
        is_standby = self.is_standby(slot)
        if process == "STOPPING":
            return SlotState.STOPPING
        if is_standby and process in ("BACKOFF", "FATAL"):
            return SlotState.STANDBY_FAILED
        if process in DOWN:
            return SlotState.DOWN
        return SlotState.STANDBY if is_standby else SlotState.UP

    def is_standby(self, slot: str) -> bool:
        """Whether its gateway, if there is one, waits for a project."""
        return (read_json(self.run.slot_file(slot)) or {}).get("state") == STANDBY["state"]

    def is_down(self, slot: str) -> bool:
        """Whether the slot's gateway has exited and will not be started again."""
        return self.supervisor.process(slot).state in DOWN

    def set_standby(self, slot: str, on: bool) -> None:
        """Start an idle slot's gateway before there is a project for it, or stop it again.

        Its imports are half of the time that a restart takes. One whose start failed is retried by supervisord,
        and after that at the next restart.
        """
        state = self.state(slot)
        if on and state is SlotState.DOWN:
            # First, as the gateway reads it.
            variables = (read_json(self.run.last_start) or {}).get("variables", {})
            write_json(self.run.slot_file(slot), {**STANDBY, "variables": variables})
            self.supervisor.start(slot)
        elif not on and state in (SlotState.STANDBY, SlotState.STANDBY_FAILED):
            self.stop(slot)

    def stop(self, slot: str, *, wait: bool = False) -> None:
        """Let a slot finish its requests and exit."""
        self.supervisor.stop(slot, wait=wait)

    def retire(self, slot: str | None) -> None:
        """Stop the slot that served before another, if one did, and remove environments that nobody needs any more."""
        if slot:
            self.stop(slot)
        contents = [read_json(self.run.slot_file(slot)) or {} for slot in SLOTS]
        self.environments.remove_unused([content.get("variables", {}).get("VIRTUAL_ENV") for content in contents])

    def wait_until_down(self, slot: str, check: Callable[[], None] = lambda: None) -> None:
        """Wait for a slot that is stopping; raises NotReady when it does not stop, or what `check` raises."""
        deadline = time.monotonic() + self.request_timeout(slot) + STOP_MARGIN
        while not self.is_down(slot):
            check()
            if time.monotonic() > deadline:
                raise NotReady(f"The slot {slot} still has requests in flight. Try again.")
            time.sleep(POLL)

    def bring_up(self, slot: str, project: Project, check: Callable[[], None]) -> None:
        """Start a slot and return once it is ready; otherwise stop it and raise.

        First its kernels' environment is made if that is missing. Raises NotebookFailure, NotReady, StorageError, or
        what `check` raises, which is called again and again meanwhile.
        """
        settings, changes = self._load_settings(project)
        environment = self.environments.provide(project, check)
        state = self.state(slot)
        if state is not SlotState.STANDBY:
            if state in (SlotState.UP, SlotState.STANDBY_FAILED):
                self.stop(slot)
            # It may still be finishing requests from before the last restart.
            self.wait_until_down(slot, check)
        for file in (self.run.slot_failure(slot), self.run.slot_admin_socket(slot)):
            file.unlink(missing_ok=True)
        # Before the gateway reads the notebook, so that a save in between counts as one more change.
        code = file_fingerprint(project.notebook)
        content = {
            "notebook": project.name,
            "path": str(project.notebook),
            "code": code,
            "settings": changes,
            "variables": environment.variables(),
        }
        write_json(self.run.last_start, content)
        write_json(self.run.slot_file(slot), content)
        try:
            self.supervisor.start(slot)
            self._wait_until_ready(slot, project, settings.start_timeout, check)
        except Exception:
            self.stop(slot, wait=True)
            raise

    def _load_settings(self, project: Project) -> tuple[Settings, dict[str, str]]:
        """As own_settings.load; raises NotebookFailure."""
        try:
            return own_settings.load(project.notebook.parent, self.settings)
        except SettingError as error:
            name, value = "InvalidSettings", str(error)
            raise NotebookFailure(
                f"{project.name} does not run. {name}: {value}",
                {"name": name, "value": value},
            ) from None

    def _wait_until_ready(self, slot: str, project: Project, timeout: int, check: Callable[[], None]) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if (gateway := self.gateway(slot)) and gateway.ready:
                return
            self._raise_if_failed(slot, project)
            check()
            time.sleep(POLL)
        raise NotReady(f"{project.name} was still running its cells after {timeout} s (START_TIMEOUT).")

    def _raise_if_failed(self, slot: str, project: Project) -> None:
        if failure := read_json(self.run.slot_failure(slot)):
            line = f", line {failure['file_line']} of {project.notebook.name}" if failure.get("file_line") else ""
            cell = f" (cell {failure['cell']}{line})" if failure["cell"] else ""
            raise NotebookFailure(f"{project.name} does not run{cell}. {failure['name']}: {failure['value']}", failure)
        process = self.supervisor.process(slot)
        if process.state in DOWN or process.state == "BACKOFF":
            raise NotebookFailure(
                f"{project.name} does not run: its gateway ended. {process.reason}",
                {"name": "GatewayEnded", "value": process.reason},
            )
