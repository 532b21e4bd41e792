"""Counters of requests and their durations since this program started."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

OTHER = "other"  # label of unknown endpoints and methods: callers cannot create time series
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

Labels = tuple[str, str, str]  # endpoint as annotated, method, status


@dataclass
class Histogram:
    """Of one endpoint and method: requests by the upper bound (seconds) of their bucket, and the sum of durations."""

    buckets: Counter[float] = field(default_factory=Counter)
    seconds: float = 0.0


class Counters:
    """Thread-safe. They only grow, whichever kernels, gateways and slots come and go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[Labels] = Counter()
        self._broken_off: Counter[tuple[str, str]] = Counter()
        self._durations: dict[tuple[str, str], Histogram] = {}
        self.kernel_deaths = 0

    def add(self, batch: dict[str, Any]) -> None:
        """Add a batch's counts (gateway/records/batch.py). KeyError, TypeError, ValueError: the batch is invalid."""
        bounds = [*(float(bound) for bound in batch["bounds"]), float("inf")]
        with self._lock:
            self.kernel_deaths += int(batch["kernel_deaths"])
            for endpoint, method, status, seconds, buckets in batch["requests"]:
                label = endpoint or OTHER
                self._requests[label, method, str(status)] += sum(buckets)
                histogram = self._durations.setdefault((label, method), Histogram(Counter(dict.fromkeys(bounds, 0))))
                histogram.seconds += seconds
                histogram.buckets.update(dict(zip(bounds, buckets, strict=True)))
            for endpoint, method, count in batch["broken_off"]:
                self._broken_off[endpoint or OTHER, method] += int(count)

    def add_rejection(self, method: str, status: int) -> None:
        """Count a request that nginx rejected: it has neither endpoint nor duration."""
        with self._lock:
            self._requests[OTHER, method if method in METHODS else OTHER, str(status)] += 1

    def requests(self) -> dict[Labels, int]:
        with self._lock:
            return dict(self._requests)

    def broken_off(self) -> dict[tuple[str, str], int]:
        """Responses whose body broke off, by endpoint and method."""
        with self._lock:
            return dict(self._broken_off)

    def durations(self) -> dict[tuple[str, str], Histogram]:
        """By endpoint and method."""
        with self._lock:
            return {key: Histogram(Counter(value.buckets), value.seconds) for key, value in self._durations.items()}
