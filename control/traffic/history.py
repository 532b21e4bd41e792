"""The last exchanges of the API, in memory."""

import itertools
import secrets
import threading
from collections.abc import Iterable
from typing import Any

from control.traffic.exchange import Exchange

CAPACITY = 200
MAX_REJECTED = 20  # of them: password guessing must not evict requests that reached a kernel


class History:
    """Thread-safe. Ids are unique to this process: after a restart none refers to another exchange."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []  # oldest first
        self._changed = threading.Condition()
        self._prefix = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        """Add all records, or none: KeyError, TypeError, ValueError when one is invalid."""
        with self._changed:
            new = [Exchange.from_json(f"{self._prefix}-{next(self._numbers)}", record) for record in records]
            # Each kernel sends its records with a delay of its own.
            exchanges = sorted([*self._exchanges, *new], key=lambda exchange: exchange.at)
            rejected = [exchange.id for exchange in exchanges if exchange.is_rejected]
            evicted = frozenset(rejected[:-MAX_REJECTED])
            self._exchanges = [each for each in exchanges if each.id not in evicted][-CAPACITY:]
            self._changed.notify_all()

    def latest(self) -> list[Exchange]:
        """All that are stored, newest first."""
        with self._changed:
            return self._exchanges[::-1]

    def find(self, exchange_id: str) -> Exchange | None:
        return next((exchange for exchange in self.latest() if exchange.id == exchange_id), None)

    def wait_for(self, request_id: str, seconds: float) -> Exchange | None:
        """The exchange with that request id, as soon as its record arrives; None when that takes longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: next((each for each in self.latest() if each.request_id == request_id), None), seconds
            )
