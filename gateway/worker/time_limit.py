"""The time limit of a cell that does not give way: SIGINT to the main thread, as from a keyboard.

A thread watches the deadline. The handler raises only while a cell holds the main thread, so a limit that
passes in the instant a cell ends strikes nobody. It raises once: a cell that swallows the interrupt, and one
that sits in C code, are left to the arbiter, which sees them on the page.
"""

import signal
import threading
import time

# signal.getsignal looks for an enum member besides: 2.7 µs instead of 0.02.
from _signal import getsignal  # type: ignore[import-not-found]
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

_SLOWEST_TICK_S = 0.1

Sent = TypeVar("Sent")
Yielded = TypeVar("Yielded")


class TimeLimit(KeyboardInterrupt):
    """The cell ran longer than it may. A KeyboardInterrupt, so that `except Exception` lets it pass."""


class Watchdog:
    """Interrupts whatever `step` runs beyond its deadline (seconds of time.monotonic)."""

    def __init__(self, shortest_limit_s: float) -> None:
        self._deadline: float | None = None
        self._strike: TimeLimit | None = None
        self._handler = self._interrupt  # one object, to be recognised in signal's table
        self._main = threading.main_thread().ident or 0
        self._tick_s = min(_SLOWEST_TICK_S, shortest_limit_s / 10)
        threading.Thread(target=self._look, name="time limit", daemon=True).start()

    def step(self, advance: Callable[[Sent], Yielded], value: Sent, deadline: float) -> Yielded:
        """advance(value), interrupted at `deadline`. TimeLimit: it was, or returned too late to count."""
        # ipykernel sets a handler around each message, and cells may set one.
        if getsignal(signal.SIGINT) is not self._handler:
            signal.signal(signal.SIGINT, self._handler)
        outer = self._deadline  # a cell may run the loop, and with it other cells, inside itself
        try:
            self._deadline = deadline
            return advance(value)
        finally:
            self._deadline = outer
            if self._strike:  # also if the cell made something else of it, as `!sleep 60` does
                raise self._take_strike()

    def _interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        deadline = self._deadline
        if deadline is None or self._strike:  # no cell holds the thread, or it knows already
            return
        if time.monotonic() < deadline:
            raise KeyboardInterrupt
        self._strike = TimeLimit()
        raise self._strike

    def _take_strike(self) -> TimeLimit:
        # A variable of `step` would tie the exception to its own traceback, and keep both.
        strike, self._strike = self._strike, None
        return strike or TimeLimit()

    def _look(self) -> None:
        while True:
            time.sleep(self._tick_s)
            deadline = self._deadline
            if deadline is not None and time.monotonic() >= deadline:
                signal.pthread_kill(self._main, signal.SIGINT)
