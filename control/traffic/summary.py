"""Sums up frequent events in one log line a second."""

import sys
from collections import Counter

MAX_KINDS = 3  # kinds that a line names


class Summary:
    """Counts events; `tick` logs them. At `limit` per second there may have been more. Not thread-safe."""

    def __init__(self, subject: str, limit: int = sys.maxsize) -> None:
        self._subject = subject
        self._limit = limit
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> None:
        """Count one event; `kind` must not be a caller's to choose."""
        self._counts[kind] += 1

    def tick(self) -> None:
        """Log what was counted since the last call: `wrong passwords: 7 (5 from 10.0.0.7, 2 from 10.0.0.8)`."""
        if self._counts:
            kinds = [f"{number} {kind}" for kind, number in self._counts.most_common(MAX_KINDS)]
            others = ["others"] if len(self._counts) > MAX_KINDS else []
            total = self._counts.total()
            or_more = " or more" if total >= self._limit else ""
            print(f"{self._subject}: {total}{or_more} ({', '.join([*kinds, *others])})", flush=True)
            self._counts.clear()
