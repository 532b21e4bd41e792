"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
# Seconds between two looks: at first, and at last. A look costs as much as what it looks at, and others wait as well.
SHORTEST, LONGEST = 0.01, 0.1


def eventually(look: Callable[[], Found], seconds: float = 15, what: str = "") -> Found:
    """The first true value that `look` returns; AssertionError when there is none within the time."""
    deadline = time.monotonic() + seconds
    pause = SHORTEST
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or look}; at last {found!r}"
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST)
