"""When supervisord takes its next turn: at once after a signal, and often while the stack ends."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from supervisor.medusa import asyncore_25 as asyncore

from control.supervision.process_tree import kill_descendants

LOOK_AT_SHUTDOWN = 0.1  # seconds


class Waker:
    """Ends supervisord's wait of a second when a signal comes. It takes one signal from its list at each turn."""

    def __init__(self) -> None:
        self._signals, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        asyncore.socket_map[self._signals] = self

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        os.read(self._signals, 1)  # a byte for each signal, so a turn for each

    def handle_error(self) -> None:
        """Somebody else has read it."""


def at_shutdown(poll: Callable[[float], Any], end: float) -> Callable[[float], Any]:
    """`poll` for supervisord while the stack ends: it looks often, and kills what is left after `end` (monotonic).

    It would look once a second. Six seconds and then three, each found to be over too late, came to twelve.
    """

    def look(_seconds: float) -> Any:
        if time.monotonic() > end:
            kill_descendants(os.getpid())
        return poll(LOOK_AT_SHUTDOWN)

    return look
