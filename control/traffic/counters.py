"""Counters of requests and their durations since this program started."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

OTHER = "other"  # label of unknown endpoints and methods: callers cannot create time series
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

EndpointLabels = tuple[str, str, str]  # project, endpoint as annotated, method
Labels = tuple[str, str, str, str]  # and status


@dataclass
class Histogram:
    """Of one kind: requests by the upper bound (seconds) of their bucket, and the sum of their durations."""

    buckets: Counter[float] = field(default_factory=Counter)
    seconds: float = 0.0


class Counters:
    """Thread-safe. They only grow, whichever kernels, gateways and slots come and go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[Labels] = Counter()
        self._broken_off: Counter[EndpointLabels] = Counter()
        self._durations: dict[EndpointLabels, Histogram] = {}
        self._kernel_deaths: Counter[str] = Counter()

    def add(self, batch: dict[str, Any]) -> None:
        """Add a batch's counts (gateway/records/batch.py). KeyError, TypeError, ValueError: the batch is invalid."""
        project, bounds = str(batch["project"]), [*(float(bound) for bound in batch["bounds"]), float("inf")]
        with self._lock:
            self._kernel_deaths[project] += int(batch["kernel_deaths"])
            for endpoint, method, status, seconds, buckets in batch["requests"]:
                labels = project, endpoint or OTHER, method
                self._requests[*labels, str(status)] += sum(buckets)
                histogram = self._durations.setdefault(labels, Histogram(Counter(dict.fromkeys(bounds, 0))))
                histogram.seconds += seconds
                histogram.buckets.update(dict(zip(bounds, buckets, strict=True)))
            for endpoint, method, count in batch["broken_off"]:
                self._broken_off[project, endpoint or OTHER, method] += int(count)

    def add_rejection(self, project: str | None, method: str, status: int) -> None:
        """Count a request that nginx rejected, of a served project or of none: it has neither endpoint nor duration."""
        with self._lock:
            self._requests[project or "", OTHER, method if method in METHODS else OTHER, str(status)] += 1

    def requests(self) -> dict[Labels, int]:
        with self._lock:
            return dict(self._requests)

    def broken_off(self) -> dict[EndpointLabels, int]:
        """Responses whose body broke off."""
        with self._lock:
            return dict(self._broken_off)

    def durations(self) -> dict[EndpointLabels, Histogram]:
        with self._lock:
            return {key: Histogram(Counter(value.buckets), value.seconds) for key, value in self._durations.items()}

    def kernel_deaths(self) -> dict[str, int]:
        """By project: 0 for one that has sent something and lost no kernel."""
        with self._lock:
            return dict(self._kernel_deaths)
