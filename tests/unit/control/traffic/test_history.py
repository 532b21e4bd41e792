"""Which exchanges are stored, in which order, and how they are found."""

from typing import Any

import pytest

from control.traffic.history import History
from tests.support.records import record


def test_the_last_200_are_stored_newest_first_whoever_sent_them() -> None:
    history = History()
    history.add(record(at=float(number), request_id=f"odd-{number}") for number in range(1, 400, 2))
    history.add(record(at=float(number), request_id=f"even-{number}") for number in range(0, 400, 2))
    assert [exchange.at for exchange in history.latest()] == [float(number) for number in range(399, 199, -1)]
    newest = history.latest()[0]
    assert history.find(newest.id) == newest
    assert history.find("nothing") is None


def test_ids_of_another_process_are_unknown() -> None:
    first, second = History(), History()
    for history in (first, second):
        history.add([record()])
    assert second.find(first.latest()[0].id) is None


@pytest.mark.parametrize("bad", [{}, {"path": 1}, {"at": 1.0, "more": 2}, [], None])
def test_records_are_added_all_or_none(bad: Any) -> None:
    history = History()
    with pytest.raises((KeyError, TypeError, ValueError)):
        history.add([record(), bad])
    assert history.latest() == []
