"""Shortens supervisord's wait of a second between its turns: after a signal, and at shutdown."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from supervisor.medusa import asyncore_25 as asyncore

from control.supervision.process_tree import kill_descendants

SHUTDOWN_POLL = 0.1  # seconds


class SignalWakeup:
    """Wakes supervisord for each signal: it handles one of them in a turn."""

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
        """Ignore that the pipe is empty."""


def poll_until(poll: Callable[[float], Any], deadline: float) -> Callable[[float], Any]:
    """supervisord's `poll` for a shutdown: ten times a second; after `deadline` (monotonic) it kills all programs.

    With one turn a second, the limits of six seconds and then three came to twelve, as each was noticed too late.
    """

    def poll_often(_timeout: float) -> Any:
        if time.monotonic() > deadline:
            kill_descendants()
        return poll(SHUTDOWN_POLL)

    return poll_often
