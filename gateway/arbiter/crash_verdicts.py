"""What became of requests whose kernel died in the middle of them.

The connection dies with the kernel, so the kernel cannot answer and nginx asks here: by request id.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

KEPT = 10_000
KEPT_FOR = 60  # seconds


@dataclass(frozen=True)
class Verdict:
    """The answer for such a request: an HTTP status, a stable code, a sentence."""

    status: int
    code: str
    message: str


class CrashVerdicts:
    """Verdicts by request id, for a minute: callers may give two requests the same id."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()

    def add(self, request_id: str, verdict: Verdict) -> None:
        """Keep a verdict for the time in which nginx asks for it."""
        now = time.monotonic()
        self._verdicts[request_id] = now, verdict
        while len(self._verdicts) > KEPT or next(iter(self._verdicts.values()))[0] < now - KEPT_FOR:
            self._verdicts.popitem(last=False)

    def find(self, request_id: str) -> Verdict | None:
        """The verdict on a request, where its kernel died in it."""
        found = self._verdicts.get(request_id)
        return found[1] if found else None
