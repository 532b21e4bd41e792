"""The client of supervisord's XML-RPC interface: the one place that knows its fault codes."""

import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

# As in http://supervisord.org/subprocess.html#process-states
State = Literal["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"]
API_GROUP = "gateway"  # as in conf/supervisord.conf.j2
DOWN: frozenset[State] = frozenset({"STOPPED", "EXITED", "FATAL"})
NOTEBOOK_FAILED = 3  # the exit status after which supervisord does not start a gateway again (`exitcodes`)


class SupervisorError(Exception):
    """supervisord cannot be reached, or refused for a reason that no caller expects."""


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


class Supervisor:
    """Starts, stops and inspects the API's gateways."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def start(self, program: str) -> None:
        """Start a program without waiting for it, unless it is up."""
        self._call("startProcess", program, False, tolerate=(Faults.ALREADY_STARTED,))

    def stop(self, program: str, *, wait: bool) -> None:
        """Stop a program, unless it is down or stopping; with `wait`, return once it has exited."""
        while self._call("stopProcess", program, wait, tolerate=(Faults.NOT_RUNNING,)) is None:
            if self.process(program).state in DOWN | {"STOPPING"}:
                return
            # It had died, and is started again.

    def process(self, program: str) -> Process:
        info = cast(dict[str, Any], self._call("getProcessInfo", program))
        is_dead = info["statename"] == "EXITED" and info["exitstatus"] != NOTEBOOK_FAILED
        return Process("BACKOFF" if is_dead else info["statename"], info["spawnerr"] or info["description"])

    def _call(self, method: str, program: str, *arguments: bool, tolerate: tuple[int, ...] = ()) -> object:
        # The transport keeps a connection and is not thread-safe, so each call has its own.
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        try:
            proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
            return getattr(proxy.supervisor, method)(f"{API_GROUP}:{program}", *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in tolerate:
                return None
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise ShutdownInProgress("The stack is shutting down") from fault
            raise SupervisorError(f"supervisord refused {method}({program}): {fault.faultString}") from fault
        except (OSError, xmlrpc.client.ProtocolError) as error:
            raise SupervisorError(f"supervisord cannot be reached: {error}") from error
        finally:
            transport.close()
