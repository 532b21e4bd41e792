"""Stores what happened to requests whose kernel died.

The connection dies with the kernel, so nginx asks the arbiter for a response, by request id.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

MAX_VERDICTS = 10_000
TTL_S = 60  # seconds


@dataclass(frozen=True)
class Verdict:
    """The response to such a request: an HTTP status, a stable code, a sentence."""

    status: int
    code: str
    message: str


class CrashVerdicts:
    """Verdicts by request id, for TTL_S: callers may use an id for several requests."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()

    def add(self, request_id: str, verdict: Verdict) -> None:
        now = time.monotonic()
        self._verdicts[request_id] = now, verdict
        while len(self._verdicts) > MAX_VERDICTS or next(iter(self._verdicts.values()))[0] < now - TTL_S:
            self._verdicts.popitem(last=False)

    def find(self, request_id: str) -> Verdict | None:
        """The verdict on a request; None if its kernel did not die."""
        entry = self._verdicts.get(request_id)
        return entry[1] if entry else None
