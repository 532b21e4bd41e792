"""Programs that are started when somebody connects to their socket, as systemd does it (systemd.socket(5))."""

from contextlib import suppress
from typing import Any

from supervisor.medusa import asyncore_25 as asyncore
from supervisor.states import STOPPED_STATES, SupervisorStates

MAX_REFUSED = 1000  # at once: others may come as fast as they are refused


class OnDemand(asyncore.dispatcher):  # type: ignore[misc]
    """The program of a `fcgi-program` section, whose socket is kept open here.

    The program gets the listening socket as its stdin. While it is down, connections wait in the socket's backlog, so
    that none is refused while it starts, or when it ends because nobody has asked for a while.
    """

    def __init__(self, group: Any) -> None:
        super().__init__()
        [self.program] = group.processes.values()
        group.socket_manager.ref_ctr.increment()  # for ever: it would close the socket while the program is down
        self.set_socket(group.socket_manager.socket)

    def readable(self) -> bool:
        """Whether a connection should start the program."""
        is_up = self.program.config.options.mood == SupervisorStates.RUNNING
        return is_up and self.program.get_state() in STOPPED_STATES

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self.program.spawn()

    def refuse(self) -> None:
        """Close the connections that wait for a program that has failed: nginx responds with an error then."""
        self.socket.setblocking(False)  # the mode is the program's too, while there is one
        with suppress(OSError):
            for _ in range(MAX_REFUSED):
                self.socket.accept()[0].close()
        self.socket.setblocking(True)
