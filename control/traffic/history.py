"""The last calls of the API, in memory."""

import itertools
import secrets
import threading
from collections.abc import Iterable
from typing import Any

from control.traffic.exchange import Exchange

KEPT = 200
REFUSED = 20  # of them: whoever tries passwords drives out no call that was answered


class History:
    """Thread-safe. Numbers are this process's own, so that none means another call after a restart."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._calls: list[Exchange] = []  # the oldest first
        self._changed = threading.Condition()
        self._prefix = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        """Take records in. KeyError, TypeError, ValueError: one is none; then no other is taken either."""
        with self._changed:
            calls = [Exchange.from_json(f"{self._prefix}-{next(self._numbers)}", record) for record in records]
            # Kernels tell of their calls a moment later, each in its own time.
            known = sorted([*self._calls, *calls], key=lambda call: call.at)
            refused = [call.id for call in known if call.refused]
            too_many = frozenset(refused[:-REFUSED])
            self._calls = [call for call in known if call.id not in too_many][-self._kept :]
            self._changed.notify_all()

    def calls(self) -> list[Exchange]:
        """All that are kept, the newest first."""
        with self._changed:
            return self._calls[::-1]

    def find(self, number: str) -> Exchange | None:
        return next((call for call in self.calls() if call.id == number), None)

    def wait_for(self, request_id: str, seconds: float) -> Exchange | None:
        """The call with that request id, as soon as it is told of; None when that takes longer."""

        def known() -> Exchange | None:
            return next((call for call in reversed(self._calls) if call.request_id == request_id), None)

        with self._changed:
            return self._changed.wait_for(known, seconds)
