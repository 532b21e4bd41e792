"""The last exchanges of all APIs, in memory."""

import itertools
import secrets
import threading
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
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

    def add(self, project: str | None, records: Iterable[dict[str, Any]]) -> None:
        """Add all records of a project, or none: KeyError, TypeError, ValueError when one is invalid."""
        with self._changed:
            new = [Exchange.from_json(f"{self._prefix}-{next(self._numbers)}", project, record) for record in records]
            # Each kernel sends its records with a delay of its own.
            exchanges = sorted([*self._exchanges, *new], key=lambda exchange: exchange.at)
            evicted = find_surplus([each for each in exchanges if each.is_rejected], MAX_REJECTED)
            exchanges = [each for each in exchanges if each.id not in evicted]
            evicted = find_surplus(exchanges, CAPACITY)
            self._exchanges = [each for each in exchanges if each.id not in evicted]
            self._changed.notify_all()

    def latest(self, project: str | None = None) -> list[Exchange]:
        """All that are stored, or those of one project, newest first."""
        with self._changed:
            newest_first = self._exchanges[::-1]
        return [each for each in newest_first if each.project == project] if project else newest_first

    def find(self, exchange_id: str) -> Exchange | None:
        return next((exchange for exchange in self.latest() if exchange.id == exchange_id), None)

    def wait_for(self, request_id: str, seconds: float) -> Exchange | None:
        """The exchange with that request id, as soon as its record arrives; None when that takes longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: next((each for each in self.latest() if each.request_id == request_id), None), seconds
            )


def find_surplus(exchanges: list[Exchange], capacity: int) -> set[str]:
    """The ids of those that have to go, so that a busy API drives out nothing of a quiet one.

    That is, as often as needed, the oldest of the project that has the most. `exchanges` is sorted, oldest first.
    """
    if len(exchanges) <= capacity:  # as a flood of rejections leaves it
        return set()
    counts: Counter[str | None] = Counter()
    ranks = []  # 1: the newest of its project
    for exchange in reversed(exchanges):
        counts[exchange.project] += 1
        ranks.append((counts[exchange.project], exchange.id))
    ranks.sort(key=itemgetter(0))  # stable: of one rank, the oldest is the last
    return {exchange_id for _, exchange_id in ranks[capacity:]}
