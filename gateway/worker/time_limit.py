"""Interrupts a cell at its time limit: SIGINT to the main thread, as from a keyboard.

A thread watches the deadline. The signal handler raises only while a cell holds the main thread, so a limit that
passes in the instant a cell ends interrupts nothing else. It raises once: a cell that swallows the interrupt, and
one that is stuck in C code, are left to the arbiter, which sees them on the scoreboard.
"""

import signal
import threading
import time

# signal.getsignal also looks for an enum member: 2.7 µs instead of 0.02.
from _signal import getsignal  # type: ignore[import-not-found]
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

_SLOWEST_TICK_S = 0.1

Sent = TypeVar("Sent")
Yielded = TypeVar("Yielded")


class TimeLimit(KeyboardInterrupt):
    """The cell has reached its time limit. A KeyboardInterrupt, so that `except Exception` does not catch it."""


class Watchdog:
    """Interrupts what `step` runs at its deadline (seconds of time.monotonic)."""

    def __init__(self, shortest_limit_s: float) -> None:
        self._deadline: float | None = None
        self._expired: TimeLimit | None = None
        self._handler = self._on_sigint  # one object, to compare with the installed handler
        self._main_thread = threading.main_thread().ident or 0
        self._tick_s = min(_SLOWEST_TICK_S, shortest_limit_s / 10)
        threading.Thread(target=self._watch, name="time limit", daemon=True).start()

    def step(self, advance: Callable[[Sent], Yielded], value: Sent, deadline: float) -> Yielded:
        """advance(value). TimeLimit: it was interrupted at `deadline`, even if it returned or raised after that."""
        # ipykernel sets a handler around each message, and cells may set one.
        if getsignal(signal.SIGINT) is not self._handler:
            signal.signal(signal.SIGINT, self._handler)
        outer = self._deadline  # a cell may run the loop, and with it other cells, inside itself
        try:
            self._deadline = deadline
            return advance(value)
        finally:
            self._deadline = outer
            if self._expired:  # also if the cell replaced the exception, as `!sleep 60` does
                raise self._pop_expired()

    def _on_sigint(self, _signum: int, _frame: FrameType | None) -> None:
        deadline = self._deadline
        if deadline is None or self._expired:  # no cell is running, or it was interrupted already
            return
        if time.monotonic() < deadline:
            raise KeyboardInterrupt
        self._expired = TimeLimit()
        raise self._expired

    def _pop_expired(self) -> TimeLimit:
        # A local variable of `step` would be a cycle of the exception and its traceback, and keep both alive.
        expired, self._expired = self._expired, None
        return expired or TimeLimit()

    def _watch(self) -> None:
        while True:
            time.sleep(self._tick_s)
            deadline = self._deadline
            if deadline is not None and time.monotonic() >= deadline:
                signal.pthread_kill(self._main_thread, signal.SIGINT)
