"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
# Seconds between two looks: at first, and at last. A look costs as much as what it looks at, and others wait as well.
SHORTEST, LONGEST = 0.01, 0.1
# Tests run beside each other: a deadline is so many times as long as it takes on a machine that does nothing else.
PATIENCE = 4


def eventually(look: Callable[[], Result], seconds: float = 15, what: str = "") -> Result:
    """The first true value that `look` returns; AssertionError when there is none within the time.

    `seconds` are those of a machine that does nothing else.
    """
    deadline = time.monotonic() + PATIENCE * seconds
    pause = SHORTEST
    while True:
        result = look()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {PATIENCE * seconds} s: {what or look}; at last {result!r}"
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST)
