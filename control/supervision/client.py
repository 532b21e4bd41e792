"""The client of supervisord's XML-RPC interface: the one place that knows its fault codes."""

import threading
import xmlrpc.client
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

from control.supervision.process_handle import ProcessHandle

# As in http://supervisord.org/subprocess.html#process-states
State = Literal["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"]
DOWN: frozenset[State] = frozenset({"STOPPED", "EXITED", "FATAL"})
NOTEBOOK_FAILED = 3  # the exit status after which supervisord does not start a gateway again (`exitcodes`)


class SupervisorError(Exception):
    """supervisord cannot be reached, or refused for a reason that no caller expects."""


class UnknownProgram(SupervisorError):
    """supervisord has no program or group of that name."""


class ShutdownInProgress(SupervisorError):
    """supervisord is stopping all programs, this one too."""


@dataclass(frozen=True)
class Process:
    """A program's state, and why it has it: an error of its start, or how long it is up or down.

    EXITED: it stays so. Before supervisord starts a program that died again, it is EXITED there for a moment; that is
    BACKOFF here.
    """

    state: State
    reason: str
    pid: int = 0  # 0: none


class Supervisor:
    """Starts, stops and inspects the programs of one group, such as the two slots of an API."""

    _config_lock = threading.Lock()  # held while supervisord reads its configuration anew

    def __init__(self, socket: Path, group: str) -> None:
        self.socket = socket
        self.group = group
        self._handles: dict[str, ProcessHandle] = {}  # of programs that were up when supervisord was asked last

    def start(self, program: str) -> bool:
        """Start a program without waiting for it, unless it is up; returns whether there is such a program."""
        try:
            self._call("startProcess", f"{self.group}:{program}", False, tolerate=(Faults.ALREADY_STARTED,))
        except UnknownProgram:
            return False
        return True

    def stop(self, program: str, *, wait: bool) -> None:
        """Stop a program, unless it is down or stopping; with `wait`, return once it has exited."""
        with suppress(UnknownProgram):
            name = f"{self.group}:{program}"
            while self._call("stopProcess", name, wait, tolerate=(Faults.NOT_RUNNING,)) is None:
                if self.process(program).state in DOWN | {"STOPPING"}:
                    return
                # It had died, and is started again.

    def process(self, program: str) -> Process:
        try:
            info = cast(dict[str, Any], self._call("getProcessInfo", f"{self.group}:{program}"))
        except UnknownProgram:
            return Process("STOPPED", "it was not started")
        is_dead = info["statename"] == "EXITED" and info["exitstatus"] != NOTEBOOK_FAILED
        state: State = "BACKOFF" if is_dead else info["statename"]
        return Process(state, info["spawnerr"] or info["description"], info["pid"])

    def is_down(self, program: str) -> bool:
        """Whether it has exited and will not be started again. supervisord is asked only if its process has ended."""
        handle = self._handles.get(program)
        if handle and handle.is_running():
            return False
        process = self.process(program)
        if process.pid:
            with suppress(OSError):  # it has ended meanwhile
                self._handles[program] = ProcessHandle(process.pid)
        return process.state in DOWN

    def add_group(self) -> None:
        """Make the group known, whose configuration was written to a file that supervisord includes."""
        with self._config_lock:
            self._call("reloadConfig")
            self._call("addProcessGroup", self.group, tolerate=(Faults.ALREADY_ADDED,))

    def remove_group(self) -> None:
        """Forget the group, whose programs are down."""
        with self._config_lock, suppress(UnknownProgram):
            self._call("removeProcessGroup", self.group)

    def _call(self, method: str, *arguments: object, tolerate: tuple[int, ...] = ()) -> object:
        # The transport keeps a connection and is not thread-safe, so each call has its own.
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        try:
            proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in tolerate:
                return None
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise ShutdownInProgress("The stack is shutting down") from fault
            error = UnknownProgram if fault.faultCode == Faults.BAD_NAME else SupervisorError
            raise error(f"supervisord refused {method}{arguments}: {fault.faultString}") from fault
        except (OSError, xmlrpc.client.ProtocolError) as error:
            raise SupervisorError(f"supervisord cannot be reached: {error}") from error
        finally:
            transport.close()
