"""What is told to the control app at once: how many requests there were and how long they took, and the last ones."""

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Any

from gateway.records.record import HELD, Record, trim

MOST_RECORDS = 200
# Of bodies and texts in the records that are not small. What is held for longer leaves the processor's cache, and then
# each record is written to slow memory.
MOST_BYTES = 256 * 1024
SMALL = 1024  # bytes; a record with no more is never trimmed
# Upper bounds (seconds) of the histogram's buckets; one more takes the rest.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Noted = list[Any]  # the fields of a Record: making one takes longer than all else that is done per request
Key = tuple[int, str, int]  # endpoint (-1: none), method, status


class Tally:
    """Requests of one kind: how many in each bucket, and the sum of their seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def absorb(self, other: "Tally") -> None:
        self.seconds += other.seconds
        self.buckets = [mine + more for mine, more in zip(self.buckets, other.buckets, strict=True)]


class Batch:
    """Counts are complete; of the records only the last are kept, so its size is bounded.

    `deaths` counts kernels that had to be replaced.
    """

    def __init__(self) -> None:
        self.tallies: dict[Key, Tally] = {}
        self.records: deque[Noted] = deque(maxlen=MOST_RECORDS)
        self.large: deque[Noted] = deque()  # those that may be trimmed; also some that are no longer among the last
        self.deaths = 0
        self.bytes = 0  # that the large ones hold

    def __bool__(self) -> bool:
        return bool(self.tallies or self.deaths)

    def count(self, endpoint: int, method: str, status: int, seconds: float) -> None:
        key = endpoint, method, status
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally()
        tally.seconds += seconds
        tally.buckets[bisect_left(BOUNDS, seconds)] += 1

    def keep(self, noted: Noted) -> None:
        """Keep a record, in place of the oldest where there are too many."""
        self.records.append(noted)
        if noted[HELD] > SMALL:
            self._keep_large(noted)

    def _keep_large(self, noted: Noted) -> None:
        """Where all together are too large, the oldest lose all but the beginnings of their bodies."""
        self.large.append(noted)
        self.bytes += noted[HELD]
        while self.bytes > MOST_BYTES:
            oldest = self.large.popleft()
            self.bytes -= oldest[HELD]
            trim(oldest)

    def absorb(self, later: "Batch") -> None:
        """Add what came after it."""
        for key, tally in later.tallies.items():
            self.tallies.setdefault(key, Tally()).absorb(tally)
        self.records.extend(later.records)
        for noted in later.large:
            self._keep_large(noted)
        self.deaths += later.deaths

    def encode(self, endpoints: Sequence[str]) -> bytes:
        """One line of JSON; control/traffic/batch_server.py reads it.

        {"requests": [[path as annotated or null, method, status, seconds in all, [requests per bucket]], …],
        "bounds": of the buckets, "kernel_deaths", "records": as in record.py}
        """
        message: dict[str, Any] = {
            "bounds": BOUNDS,
            "requests": [
                [endpoints[index] if index >= 0 else None, method, status, tally.seconds, tally.buckets]
                for (index, method, status), tally in self.tallies.items()
            ],
            "kernel_deaths": self.deaths,
            "records": [Record(*noted).as_json(endpoints) for noted in self.records],
        }
        # A lone surrogate becomes \udc80, which is how JSON writes it.
        return json.dumps(message, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
