"""Accepts connections from the shared listening socket, one at a time, and only while the kernel is idle.

The backlog of that socket is the queue of all kernels: what one does not accept, another can. A cell without
`await` runs inside `on_connection`, so nothing is accepted meanwhile; a connection that must wait for bytes first
pauses the acceptor until its cell has run.
"""

import asyncio
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from gateway.records import log

# The kernel's loop has other work too, which runs at least this often (seconds).
_TIME_SLICE_S = 0.005
_BACKOFF_S = 1.0


class Acceptor:
    """Calls `on_connection` with each connection; it returns whether the next may be accepted at once.

    With `round_robin`, several kernels accept in turn: a connection wakes one kernel, not all, the first in the
    socket's wait queue that is idle, and each kernel goes to the end of that queue when it accepts one.
    """

    def __init__(
        self, listener: socket.socket, on_connection: Callable[[socket.socket], bool], *, round_robin: bool = False
    ) -> None:
        self._listener = listener
        self._round_robin = round_robin
        self._on_connection = on_connection
        self._loop = asyncio.get_running_loop()
        self._pauses = 0
        self._is_accepting = self._is_suspended = False
        self._on_empty: Callable[[], None] | None = None

    def start(self) -> None:
        self._listener.setblocking(False)
        self._listen()

    def pause(self) -> None:
        """Accept nothing until `resume` was called as often as this."""
        self._pauses += 1
        self._loop.remove_reader(self._listener)

    def resume(self) -> None:
        self._pauses -= 1
        self._listen()

    def drain(self, on_empty: Callable[[], None]) -> None:
        """Accept what is in the backlog now, then close the socket and call `on_empty`."""
        self._on_empty = on_empty
        self._loop.call_soon(self._accept)

    def close_inherited(self) -> None:
        """Close this process's descriptor of the socket; other processes keep theirs."""
        self._listener.close()

    def _listen(self) -> None:
        if self._pauses or self._listener.fileno() < 0:
            return
        self._loop.add_reader(self._listener, self._accept)
        self._requeue()
        if self._on_empty:  # an empty backlog triggers no event
            self._loop.call_soon(self._accept)

    def _requeue(self) -> None:
        """Become the last of the kernels that a connection wakes.

        asyncio does not support EPOLLEXCLUSIVE (epoll_ctl(2)), so this registers with its epoll object directly. The
        kernel of the system wakes the first idle waiter in the queue, and appends new ones. A new waiter also sees
        connections for which another was woken and which that one has not accepted yet, so this runs before a
        response is sent: no client can have sent its next request by then.
        """
        if self._round_robin:
            epoll = self._loop._selector._selector  # type: ignore[attr-defined]
            epoll.unregister(self._listener.fileno())
            epoll.register(self._listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def _accept(self) -> None:
        if self._pauses or self._listener.fileno() < 0:
            return
        if self._is_accepting:  # a cell runs the loop inside itself: stop listening until it has ended
            self._is_suspended = True
            self._loop.remove_reader(self._listener)
            return
        self._is_accepting = True
        try:
            self._accept_batch()
        finally:
            self._is_accepting = False
        if self._is_suspended or self._on_empty:
            self._is_suspended = False
            self._listen()

    def _accept_batch(self) -> None:
        until = time.monotonic() + _TIME_SLICE_S
        while True:
            try:
                descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                self._finish_drain()
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if self._on_empty:
                    self._finish_drain()  # the rest is for other kernels
                else:
                    self._back_off(error)
                return
            # What socket.accept does besides costs more than the system call; so does what socket.socket adds to its
            # base class, makefile and the like.
            connection: Any = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
            self._requeue()
            if not self._on_connection(connection) or self._pauses or self._round_robin or time.monotonic() > until:
                return

    def _finish_drain(self) -> None:
        if self._on_empty:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._on_empty()

    def _back_off(self, error: OSError) -> None:
        """Pause: most likely there are no descriptors left, and a retry at once would fail too."""
        log.write(f"cannot accept connections for now: {error}\n")
        self.pause()
        self._loop.call_later(_BACKOFF_S, self.resume)
