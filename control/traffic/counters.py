"""How many requests there were, of which kind, and how long they took, since this program started."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

OTHER = "other"  # in place of an endpoint or a method: whatever callers make up, it is one
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

Kind = tuple[str, str, str]  # endpoint as annotated, method, status


@dataclass
class Histogram:
    """Of one endpoint and method: requests by the upper bound (seconds) of their bucket, and seconds in all."""

    buckets: Counter[float] = field(default_factory=Counter)
    seconds: float = 0.0


class Counters:
    """Thread-safe. They only grow, whichever kernels, gateways and slots come and go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[Kind] = Counter()
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._deaths = 0

    def add(self, batch: dict[str, Any]) -> None:
        """Add what was counted (gateway/records/batch.py). KeyError, TypeError, ValueError: it is no batch."""
        bounds = [*(float(bound) for bound in batch["bounds"]), float("inf")]
        with self._lock:
            self._deaths += int(batch["kernel_deaths"])
            for endpoint, method, status, seconds, buckets in batch["requests"]:
                where = endpoint or OTHER
                self._requests[where, method, str(status)] += sum(buckets)
                durations = self._durations.setdefault((where, method), Histogram(Counter(dict.fromkeys(bounds, 0))))
                durations.seconds += seconds
                durations.buckets.update(dict(zip(bounds, buckets, strict=True)))

    def add_rejection(self, method: str, status: int) -> None:
        """A call that nginx answered by itself, so that no endpoint and no duration is known."""
        with self._lock:
            self._requests[OTHER, method if method in METHODS else OTHER, str(status)] += 1

    def requests(self) -> dict[Kind, int]:
        with self._lock:
            return dict(self._requests)

    def durations(self) -> dict[tuple[str, str], Histogram]:
        """By endpoint and method."""
        with self._lock:
            return {key: Histogram(Counter(found.buckets), found.seconds) for key, found in self._durations.items()}

    @property
    def kernel_deaths(self) -> int:
        return self._deaths
