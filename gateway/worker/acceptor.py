"""Takes connections from the shared listening socket, one at a time, and only when the kernel is idle.

The backlog of that socket is the queue of all kernels: what this one does not take, another can. A cell
without `await` runs inside `take`, so nothing is accepted meanwhile; whoever must wait for bytes first holds
the acceptor until it need not.
"""

import asyncio
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from gateway.records import log

# Other things live in the kernel's loop too, so it gets its turn after this time (seconds).
_TURN_S = 0.005
_PAUSE_S = 1.0


class Acceptor:
    """Calls `take` with each connection; it returns whether the next may be taken at once.

    Where other kernels listen too, `in_turn` has them take connections in turn: a connection then wakes one kernel,
    not all, the first in the line that is idle, and each goes to the end of the line with each that it takes.
    """

    def __init__(
        self, listener: socket.socket, take: Callable[[socket.socket], bool], *, in_turn: bool = False
    ) -> None:
        self._listener = listener
        self._in_turn = in_turn
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._holds = 0
        self._is_taking = self._is_parked = False
        self._when_empty: Callable[[], None] | None = None

    def start(self) -> None:
        self._listener.setblocking(False)
        self._listen()

    def pause(self) -> None:
        """Take nothing until `resume` was called as often as this."""
        self._holds += 1
        self._loop.remove_reader(self._listener)

    def resume(self) -> None:
        self._holds -= 1
        self._listen()

    def drain(self, when_empty: Callable[[], None]) -> None:
        """Take what waits now, then let go of the socket and call `when_empty`."""
        self._when_empty = when_empty
        self._loop.call_soon(self._accept)

    def close_inherited(self) -> None:
        """Close this process's end of the socket; other processes keep theirs."""
        self._listener.close()

    def _listen(self) -> None:
        if self._holds or self._listener.fileno() < 0:
            return
        self._loop.add_reader(self._listener, self._accept)
        self._go_to_the_end()
        if self._when_empty:  # a socket that is empty by now wakes nobody
            self._loop.call_soon(self._accept)

    def _go_to_the_end(self) -> None:
        """Be the last of the kernels that a connection wakes.

        asyncio cannot say EPOLLEXCLUSIVE (epoll_ctl(2)), so its epoll object is told behind its back. The system
        keeps those who wait so in a line, wakes the first who is idle, and has a newcomer stand at the end. A
        newcomer also sees what another was woken for and has not taken yet, so this is done before a caller is
        answered: nobody can have asked again by then.
        """
        if self._in_turn:
            epoll = self._loop._selector._selector  # type: ignore[attr-defined]
            epoll.unregister(self._listener.fileno())
            epoll.register(self._listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def _accept(self) -> None:
        if self._holds or self._listener.fileno() < 0:
            return
        if self._is_taking:  # a cell runs the loop inside itself: look away until it has ended
            self._is_parked = True
            self._loop.remove_reader(self._listener)
            return
        self._is_taking = True
        try:
            self._take_turns()
        finally:
            self._is_taking = False
        if self._is_parked or self._when_empty:
            self._is_parked = False
            self._listen()

    def _take_turns(self) -> None:
        until = time.monotonic() + _TURN_S
        while True:
            try:
                descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                self._is_empty()
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause(error)
                return
            # What socket.accept does besides costs more than the system call; so does what socket.socket adds to its
            # base class, makefile and the like.
            connection: Any = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
            self._go_to_the_end()
            if not self._take(connection) or self._holds or self._in_turn or time.monotonic() > until:
                return

    def _is_empty(self) -> None:
        if self._when_empty:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._when_empty()

    def _pause(self, error: OSError) -> None:
        """Out of descriptors, most likely: trying again at once would not help."""
        log.write(f"cannot accept connections for now: {error}\n")
        self.pause()
        self._loop.call_later(_PAUSE_S, self.resume)
