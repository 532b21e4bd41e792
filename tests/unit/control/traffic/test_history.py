"""Which exchanges are stored, in which order, and how they are found."""

from typing import Any

import pytest

from control.traffic.history import History
from tests.support.records import record


def test_the_last_200_are_stored_newest_first_whoever_sent_them() -> None:
    history = History()
    history.add("shop", (record(at=float(number), request_id=f"odd-{number}") for number in range(1, 400, 2)))
    history.add("shop", (record(at=float(number), request_id=f"even-{number}") for number in range(0, 400, 2)))
    assert [exchange.at for exchange in history.latest()] == [float(number) for number in range(399, 199, -1)]
    newest = history.latest()[0]
    assert history.find(newest.id) == newest
    assert history.find("nothing") is None


def add(history: History, project: str | None, *times: float, is_rejected: bool = False) -> None:
    history.add(project, [record(at=float(at), is_rejected=is_rejected) for at in times])


def stored(history: History) -> dict[str | None, list[float]]:
    """The times of what is stored, newest first, by project."""
    projects = {exchange.project for exchange in history.latest()}
    return {project: [each.at for each in history.latest() if each.project == project] for project in projects}


def test_a_busy_api_drives_out_nothing_of_a_quiet_one() -> None:
    history = History()
    add(history, "quiet", 1, 2, 3)
    for number in range(10):
        add(history, "busy", *range(1000 * number, 1000 * number + 200))
    add(history, "rare", 4)
    assert stored(history) == {
        "quiet": [3, 2, 1],
        "rare": [4],
        "busy": [float(at) for at in range(9199, 9003, -1)],
    }
    assert history.latest("quiet") == history.latest()[-4:][1:]


def test_apis_that_are_all_busy_have_as_many_requests_each() -> None:
    history = History()
    for number in range(7):
        add(history, f"api-{number}", *range(1000 * number, 1000 * number + 200))
    add(history, "quiet", 0)
    counts = {project: len(times) for project, times in stored(history).items()}
    assert sum(counts.values()) == 200
    # 199 for seven: the newest of those that are left over.
    assert counts == {"quiet": 1, **{f"api-{number}": 28 for number in range(4)}, "api-4": 29, "api-5": 29, "api-6": 29}


def test_rejections_of_one_api_drive_out_none_of_another_and_no_response() -> None:
    history = History()
    add(history, "quiet", 1, 2)
    add(history, "quiet", 3, is_rejected=True)
    for number in range(100):
        add(history, "attacked", 100 + number, is_rejected=True)
        add(history, None, 100 + number, is_rejected=True)
    counts = {project: len(times) for project, times in stored(history).items()}
    assert counts == {"quiet": 3, "attacked": 9, None: 10}
    for number in range(300):
        add(history, "attacked", 300 + number)
    assert stored(history)["quiet"] == [3, 2, 1]


def test_ids_of_another_process_are_unknown() -> None:
    first, second = History(), History()
    for history in (first, second):
        history.add("shop", [record()])
    assert second.find(first.latest()[0].id) is None


@pytest.mark.parametrize("bad", [{}, {"path": 1}, {"at": 1.0, "more": 2}, [], None])
def test_records_are_added_all_or_none(bad: Any) -> None:
    history = History()
    with pytest.raises((KeyError, TypeError, ValueError)):
        history.add("shop", [record(), bad])
    assert history.latest() == []
