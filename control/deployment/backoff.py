"""Growing pauses between attempts to start again what is down."""

import time
from datetime import UTC, datetime

MAX_PAUSE = 30  # seconds


class Backoff:
    """The first attempt is due at once, the next after 1 s, and each after twice as many, up to MAX_PAUSE."""

    def __init__(self) -> None:
        self.attempts = 0
        self.total = 0  # attempts since this process started
        self._wait(0)

    def reset(self) -> None:
        """Begin anew, with a pause of 1 s."""
        self.attempts = 0
        self._wait(1)

    def advance(self) -> None:
        """Count an attempt, and begin the pause after it."""
        self.attempts += 1
        self.total += 1
        self._wait(min(2 ** (self.attempts - 1), MAX_PAUSE))

    def _wait(self, pause: float) -> None:
        self._began = time.monotonic()
        self._pause = pause
        self._next = time.time() + pause

    @property
    def age(self) -> float:
        """Seconds since this pause began."""
        return time.monotonic() - self._began

    @property
    def is_due(self) -> bool:
        return self.age >= self._pause

    @property
    def next_time(self) -> str:
        """The time of the next attempt in ISO 8601, UTC."""
        return datetime.fromtimestamp(max(self._next, time.time()), UTC).isoformat(timespec="seconds")
