"""The two slots of an API, blue and green: starts and stops their gateways.

The truth is in the run directory and in supervisord, not in this process: a link leads to the serving slot, and a
slot's file says what it serves. So the control app may be killed and started again at any time.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from control.config.errors import NotebookFailure, NotReady, StartRefused, StorageError
from control.config.run_dir import (
    SLOTS,
    STANDBY,
    RunDir,
    api_address,
    read_json,
    write_json,
    write_text,
)
from control.config.settings import SettingError, Settings
from control.deployment.fingerprint import file_fingerprint
from control.deployment.gateway_client import GatewayClient, GatewayStatus
from control.deployment.serving_link import ServingLink
from control.environments.project_environments import ProjectEnvironments
from control.launch.configuration import render_template
from control.logs.lines import label
from control.logs.rotation import STOPPED_BYTES, RotatedFile, trim_logs, write_to_log
from control.projects import own_settings
from control.projects.catalog import Project
from control.supervision.client import DOWN, ShutdownInProgress, Supervisor, SupervisorError

POLL = 0.03  # seconds between two checks of a slot
# How much longer than its longest request a slot may take to stop; supervisord kills it earlier (api.conf.j2).
STOP_MARGIN = 10  # seconds


class SlotState(Enum):
    """What a slot's gateway does, from supervisord's state of it and its slot file."""

    DOWN = "down"  # and stays so until it is started
    STANDBY = "standby"  # up, and waits for a project
    STANDBY_FAILED = "standby failed"  # its start failed; supervisord retries, or has given up
    UP = "up"  # with a project, also between a crash and its restart
    STOPPING = "stopping"  # it finishes its requests


class Slots:
    def __init__(self, project: str, settings: Settings, supervisor: Supervisor) -> None:
        self.project = project
        self.settings = settings
        self.supervisor = supervisor
        self.run = RunDir(settings.run_dir)
        self.dir = self.run.api(project)
        self.link = ServingLink(self.dir, project)
        self.gateways = {slot: GatewayClient(self.dir.slot_admin_socket(slot)) for slot in SLOTS}
        self.environments = ProjectEnvironments(settings, self.print_line)

    def print_line(self, line: str) -> None:
        """Print to the log of the API too, as the slots do."""
        with suppress(OSError):  # nobody may read the output any more, or the disk is full
            print(f"{label(self.project)} | {line}", flush=True)
            self.dir.path.mkdir(exist_ok=True)
            write_to_log(f"{line}\n".encode(), self.dir.log)

    def gateway(self, slot: str) -> GatewayStatus | None:
        """The status that the slot's gateway reports; None while it does not respond."""
        return self.gateways[slot].fetch_status()

    def request_timeout(self, slot: str | None) -> int:
        """The limit for requests of the slot's project, in seconds; without a slot, that of the environment."""
        default = self.settings.request_timeout
        return self.dir.slot_request_timeout(slot, default) if slot else default

    def last_code(self) -> str | None:
        """The fingerprint of the project's code at its last start; None where that is not known."""
        return (read_json(self.dir.last_start) or {}).get("code")

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
        return (read_json(self.dir.slot_file(slot)) or {}).get("state") == STANDBY["state"]

    def is_down(self, slot: str) -> bool:
        """Whether the slot's gateway has exited and will not be started again."""
        return self.supervisor.is_down(slot)

    def is_intact(self, slot: str) -> bool:
        """Whether a slot that serves still has its files, without which callers do not reach it."""
        return self.dir.slot_file(slot).exists()

    def set_standby(self, slot: str, on: bool) -> None:
        """Start an idle slot's gateway before there is a project for it, or stop it again.

        Its imports are half of the time that a restart takes. One whose start failed is retried by supervisord,
        and after that at the next restart.
        """
        if not on and not self.is_standby(slot):
            return  # the usual case, in which supervisord is not asked
        state = self.state(slot)
        if on and state is SlotState.DOWN:
            # First, as the gateway reads it.
            variables = (read_json(self.dir.last_start) or {}).get("variables", {})
            self.prepare_folders()
            write_json(self.dir.slot_file(slot), {**STANDBY, "variables": variables})
            self._start(slot)
        elif not on and state in (SlotState.STANDBY, SlotState.STANDBY_FAILED):
            self.stop(slot)

    def stop(self, slot: str, *, wait: bool = False) -> None:
        """Let a slot finish its requests and exit."""
        self.supervisor.stop(slot, wait=wait)

    def prepare_folders(self) -> None:
        """Create the folders; raises StorageError."""
        try:
            for name in SLOTS:
                self.dir.slot(name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.dir.path} cannot be created: {error.strerror}.") from error
        if not self.dir.project.exists():
            write_json(self.dir.project, {"name": self.project})

    def _start(self, slot: str) -> None:
        """Start the slot's program, which supervisord may not know yet; raises StorageError, StartRefused."""
        if self.supervisor.start(slot):
            return
        variables = {"api": self.dir, "run": self.run, "settings": self.settings, "slots": SLOTS}
        configuration = render_template("api.conf.j2", {**variables, "python": sys.executable})
        write_text(self.dir.supervisord_conf, configuration)
        trim_logs(self.run.slots)
        try:
            self.supervisor.add_group()
        except ShutdownInProgress:
            raise
        except SupervisorError as error:  # it names the file that it cannot read
            raise StartRefused(f"{self.project} cannot be started. {error}") from error
        self.supervisor.start(slot)

    def remove(self) -> None:
        """Let supervisord forget the slots, which are down."""
        self.dir.supervisord_conf.unlink(missing_ok=True)
        self.supervisor.remove_group()
        with suppress(OSError):
            RotatedFile(self.dir.log, STOPPED_BYTES).trim()

    def retire(self, slot: str | None) -> None:
        """Stop the slot that served before another, if one did, and remove environments that nobody needs any more."""
        if slot:
            self.stop(slot)
        contents = [read_json(file) or {} for file in self.run.slots.glob("*/*/slot.json")]
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

        First its kernels' environment is made if that is missing. Raises ProjectConflict, NotebookFailure, NotReady,
        StorageError, StartRefused, or what `check` raises, which is called again and again meanwhile.
        """
        self.link.check_address()
        settings, changes = self._load_settings(project)
        environment = self.environments.provide(project, check)
        state = self.state(slot)
        if state is not SlotState.STANDBY:
            if state in (SlotState.UP, SlotState.STANDBY_FAILED):
                self.stop(slot)
            # It may still be finishing requests from before the last restart.
            self.wait_until_down(slot, check)
        self.prepare_folders()
        for file in (self.dir.slot_failure(slot), self.dir.slot_admin_socket(slot)):
            file.unlink(missing_ok=True)
        # Before the gateway reads the notebook, so that a save in between counts as one more change.
        code = file_fingerprint(project.notebook)
        content = {
            "notebook": project.name,
            "path": str(project.notebook),
            "address": api_address(project.name),
            "code": code,
            "settings": changes,
            "variables": environment.variables(),
        }
        write_json(self.dir.last_start, content)
        write_json(self.dir.slot_file(slot), content)
        try:
            self._start(slot)
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
        if failure := read_json(self.dir.slot_failure(slot)):
            line = f", line {failure['file_line']} of {project.notebook.name}" if failure.get("file_line") else ""
            cell = f" (cell {failure['cell']}{line})" if failure["cell"] else ""
            raise NotebookFailure(f"{project.name} does not run{cell}. {failure['name']}: {failure['value']}", failure)
        process = self.supervisor.process(slot)
        if process.state in DOWN or process.state == "BACKOFF":
            raise NotebookFailure(
                f"{project.name} does not run: its gateway ended. {process.reason}",
                {"name": "GatewayEnded", "value": process.reason},
            )
