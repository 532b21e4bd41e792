"""Reads nginx's log messages: a datagram for each event on a unix socket, with syslog's header before it.

nginx never waits: a datagram that does not fit into the socket's queue is lost. So a reader with a maximal rate spends
a bounded part of this program's time on a flood.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

MAX_DATAGRAM = 256 * 1024  # bytes; more than the kernel allows
UNLIMITED = sys.maxsize


class Datagrams:
    """Reads from `path` in a thread of its own, at most `rate` datagrams per second.

    `handle` gets the text of each datagram, `tick` is called once a second. What they raise is printed, at most one
    line a second, and does not end the thread.
    """

    def __init__(self, path: Path, handle: Callable[[bytes], None], tick: Callable[[], None], rate: int) -> None:
        path.unlink(missing_ok=True)
        self._name = path.stem
        self._handle = handle
        self._tick = tick
        self._rate = rate
        self._error: Exception | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def start(self) -> None:
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._read_for_a_second()
            self._guard(self._tick)
            if self._error:
                print(f"{self._name}: {self._error!r}"[:500], flush=True)
                self._error = None

    def _read_for_a_second(self) -> None:
        end = time.monotonic() + 1.0
        for _ in range(self._rate):
            timeout = end - time.monotonic()
            if timeout <= 0:
                return
            self._socket.settimeout(timeout)
            try:
                datagram = self._socket.recv(MAX_DATAGRAM)
            except TimeoutError:
                return
            # <190>Nov 26 09:00:00 nginx: the message
            self._guard(self._handle, datagram.partition(b" nginx: ")[2])
        time.sleep(max(0.0, end - time.monotonic()))

    def _guard(self, function: Callable[..., None], *message: bytes) -> None:
        try:
            function(*message)
        except Exception as error:  # this thread must go on, whatever was sent
            self._error = error
