"""What nginx tells: a datagram for each event to a unix socket in the run directory, with syslog's header before it.

nginx waits for nobody: what finds no room in the socket's queue is lost. So a reader that looks at few a second gives a
flood a bounded part of this program's time.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LONGEST = 256 * 1024  # bytes; more than a datagram may have
SECOND = 1.0
ALL = sys.maxsize

Take = Callable[[bytes], None]


class Datagrams:
    """Reads from `path` in a thread of its own, at most `most` a second.

    `take` gets the text of each that can be parsed, `tick` is called once a second. What they raise is printed, a line
    a second at most, and ends nothing.
    """

    def __init__(self, path: Path, take: Take, tick: Callable[[], None], most: int) -> None:
        path.unlink(missing_ok=True)
        self._name = path.stem
        self._take = take
        self._tick = tick
        self._most = most
        self._error: Exception | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def begin(self) -> None:
        threading.Thread(target=self._read_on, name=self._name, daemon=True).start()

    def _read_on(self) -> None:
        while True:
            self._read_for_a_second()
            self._guard(self._tick)
            if self._error:
                print(f"{self._name}: {self._error!r}"[:500], flush=True)
                self._error = None

    def _read_for_a_second(self) -> None:
        end = time.monotonic() + SECOND
        for _ in range(self._most):
            rest = end - time.monotonic()
            if rest <= 0:
                return
            self._socket.settimeout(rest)
            try:
                datagram = self._socket.recv(LONGEST)
            except TimeoutError:
                return
            # <190>Nov 26 09:00:00 nginx: the message
            self._guard(self._take, datagram.partition(b" nginx: ")[2])
        time.sleep(max(0.0, end - time.monotonic()))

    def _guard(self, work: Callable[..., None], *message: bytes) -> None:
        try:
            work(*message)
        except Exception as error:  # this thread must go on, whatever was sent
            self._error = error
