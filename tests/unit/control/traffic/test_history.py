"""Which exchanges are stored, in which order, and how they are found."""

from typing import Any

import pytest

from control.traffic.history import History
from tests.support.records import record


def test_the_last_200_are_kept_the_newest_first_whoever_told_of_them() -> None:
    history = History()
    history.add(record(at=float(number), request_id=f"odd-{number}") for number in range(1, 400, 2))
    history.add(record(at=float(number), request_id=f"even-{number}") for number in range(0, 400, 2))
    assert [found.at for found in history.latest()] == [float(number) for number in range(399, 199, -1)]
    newest = history.latest()[0]
    assert history.find(newest.id) == newest
    assert history.find("nothing") is None


def test_numbers_of_another_program_mean_no_call_here() -> None:
    first, second = History(), History()
    for one in (first, second):
        one.add([record()])
    assert second.find(first.latest()[0].id) is None


@pytest.mark.parametrize("bad", [{}, {"path": 1}, {"at": 1.0, "more": 2}, [], None])
def test_a_record_that_is_none_is_refused_as_a_whole(bad: Any) -> None:
    history = History()
    with pytest.raises((KeyError, TypeError, ValueError)):
        history.add([record(), bad])
    assert history.latest() == []
