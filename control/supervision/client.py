"""The one place that speaks XML-RPC to supervisord and knows its fault codes."""

import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

# As in http://supervisord.org/subprocess.html#process-states
State = Literal["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"]
ENDED: frozenset[State] = frozenset({"STOPPED", "EXITED", "FATAL"})


class SupervisorError(Exception):
    """supervisord could not be reached, or refused for a reason that no caller expects."""


class ShutdownInProgress(SupervisorError):
    """supervisord is ending all programs, this one too."""


@dataclass(frozen=True)
class Process:
    """What supervisord says of a program; `started` in seconds since the epoch, `pid` 0 when not up."""

    state: State
    pid: int
    started: int
    why: str


class Supervisor:
    """Starts, stops and describes the programs of the group `gateway`."""

    def __init__(self, socket: Path, group: str = "gateway") -> None:
        self.socket = socket
        self.group = group

    def start(self, program: str) -> None:
        """Start a program without waiting for it; one that runs already is left alone."""
        self._call("startProcess", program, False, tolerate=(Faults.ALREADY_STARTED,))

    def stop(self, program: str, *, wait: bool) -> None:
        """Stop a program; with `wait`, return when it has ended. One that does not run is left alone."""
        self._call("stopProcess", program, wait, tolerate=(Faults.NOT_RUNNING,))

    def process(self, program: str) -> Process:
        """What supervisord knows about a program."""
        info = cast(dict[str, Any], self._call("getProcessInfo", program))
        return Process(info["statename"], info["pid"], info["start"], info["spawnerr"] or info["description"])

    def _call(self, method: str, program: str, *arguments: bool, tolerate: tuple[int, ...] = ()) -> object:
        # The transport keeps a connection and is not thread-safe, so each call has its own.
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        try:
            proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
            return getattr(proxy.supervisor, method)(f"{self.group}:{program}", *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in tolerate:
                return None
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise ShutdownInProgress("The stack is being ended") from fault
            raise SupervisorError(f"supervisord refused {method}({program}): {fault.faultString}") from fault
        except (OSError, xmlrpc.client.ProtocolError) as error:
            raise SupervisorError(f"supervisord cannot be reached: {error}") from error
        finally:
            transport.close()
