"""Stores what happened to requests whose kernel died.

The connection dies with the kernel, so nginx asks the arbiter for a response, by request id.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

MAX_VERDICTS = 10_000
TTL_S = 60  # seconds
# How much later a request may seem to have begun: nginx's clock stands still while it handles events, and the arbiter
# may be busy.
TOLERANCE_S = 1.0


@dataclass(frozen=True)
class Verdict:
    """The response to such a request: an HTTP status, a stable code, a sentence."""

    status: int
    code: str
    message: str


class CrashVerdicts:
    """Verdicts by request id, for TTL_S. Callers may use an id for several requests, at once or one after the other."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()

    def add(self, request_id: str, verdict: Verdict) -> None:
        now = time.monotonic()
        self._verdicts[request_id] = now, verdict
        while len(self._verdicts) > MAX_VERDICTS or next(iter(self._verdicts.values()))[0] < now - TTL_S:
            self._verdicts.popitem(last=False)

    def find(self, request_id: str, started: float) -> Verdict | None:
        """The verdict on a request that began at `started` (monotonic); None if no kernel died in it since then."""
        died, verdict = self._verdicts.get(request_id, (0.0, None))
        return verdict if died > max(started - TOLERANCE_S, time.monotonic() - TTL_S) else None
