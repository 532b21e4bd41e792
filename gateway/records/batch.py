"""What is sent to the control app at once: counts and durations of requests, and records of the last ones."""

import json
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.records.record import Record

MAX_RECORDS = 200
# Bytes in all of the records that may be trimmed. More would leave the processor's cache, and then each record is
# written to slow memory.
MAX_BYTES = 256 * 1024
SMALL = 1024  # bytes; a record that is not larger is never trimmed
# Upper bounds (seconds) of the histogram's buckets; one more takes the rest.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Key = tuple[int, str, int]  # endpoint (-1: none), method, status


@dataclass(slots=True)
class Histogram:
    """Durations of the requests of one kind: how many per bucket, and their sum in seconds."""

    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def merge(self, other: "Histogram") -> None:
        self.seconds += other.seconds
        self.buckets = [mine + more for mine, more in zip(self.buckets, other.buckets, strict=True)]


class Batch:
    """Counts are complete; only the last records are stored, so that the size is bounded.

    `broken_off` counts responses whose body broke off, which are in `histograms` too; `deaths` kernels that had to be
    replaced.
    """

    def __init__(self) -> None:
        self.histograms: dict[Key, Histogram] = {}
        self.broken_off: Counter[tuple[int, str]] = Counter()  # by endpoint and method
        self.records: deque[Record] = deque(maxlen=MAX_RECORDS)
        self.large: deque[Record] = deque()  # those that may be trimmed, also some that `records` has dropped
        self.deaths = 0
        self.bytes = 0  # of the large ones

    def __bool__(self) -> bool:
        return bool(self.histograms or self.deaths)

    def count(self, endpoint: int, method: str, status: int, seconds: float) -> None:
        key = endpoint, method, status
        histogram = self.histograms.get(key)
        if histogram is None:
            histogram = self.histograms[key] = Histogram()
        histogram.seconds += seconds
        histogram.buckets[bisect_left(BOUNDS, seconds)] += 1

    def add(self, record: Record) -> None:
        """Store a record, in place of the oldest if there are MAX_RECORDS."""
        self.records.append(record)
        if record.size > SMALL:
            self._add_large(record)

    def _add_large(self, record: Record) -> None:
        """Trim the oldest records while all together exceed MAX_BYTES."""
        self.large.append(record)
        self.bytes += record.size
        while self.bytes > MAX_BYTES:
            oldest = self.large.popleft()
            self.bytes -= oldest.size
            oldest.trim()

    def merge(self, later: "Batch") -> None:
        """Add the batch that followed this one."""
        for key, histogram in later.histograms.items():
            self.histograms.setdefault(key, Histogram()).merge(histogram)
        self.broken_off += later.broken_off
        self.records.extend(later.records)
        for record in later.large:
            self._add_large(record)
        self.deaths += later.deaths

    def encode(
        self, project: str, endpoints: Sequence[str], sender: str, number: int, oldest_unconfirmed: int
    ) -> bytes:
        """One line of JSON, which control/traffic/batch_server.py reads.

        {"project": whose API was called, "sender": who is like no other, "number": of this batch, among the sender's,
        "oldest_unconfirmed": no batch with a smaller number is sent any more,
        "requests": [[path as annotated or null, method, status, seconds in all, [requests per bucket]], …],
        "bounds": of the buckets, "broken_off": [[path or null, method, responses whose body broke off], …],
        "kernel_deaths", "records": see record.py}
        """
        message = {
            "project": project,
            "sender": sender,
            "number": number,
            "oldest_unconfirmed": oldest_unconfirmed,
            "bounds": BOUNDS,
            "requests": [
                [endpoints[index] if index >= 0 else None, method, status, histogram.seconds, histogram.buckets]
                for (index, method, status), histogram in self.histograms.items()
            ],
            "broken_off": [
                [endpoints[index] if index >= 0 else None, method, count]
                for (index, method), count in self.broken_off.items()
            ],
            "kernel_deaths": self.deaths,
            "records": [record.to_json(endpoints) for record in self.records],
        }
        # A lone surrogate becomes \udc80, which is how JSON writes it.
        return json.dumps(message, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
