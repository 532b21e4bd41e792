"""Verdicts on requests whose kernel died."""

from types import SimpleNamespace

import pytest

from gateway.arbiter import crash_verdicts
from gateway.arbiter.crash_verdicts import TOLERANCE_S, TTL_S, CrashVerdicts, Verdict

DIED = Verdict(502, "kernel-died", "It ended.")


class Clock:
    now = 10_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(crash_verdicts, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_verdict_is_given_to_all_who_gave_that_id(clock: Clock) -> None:
    result = CrashVerdicts()
    result.add("a", DIED)
    assert [result.find(name, clock.now) for name in ("a", "a", "b")] == [DIED, DIED, None]


def test_a_later_request_with_the_same_id_gets_no_verdict_on_an_earlier_one(clock: Clock) -> None:
    result = CrashVerdicts()
    result.add("a", DIED)
    clock.now += 5
    assert result.find("a", clock.now - 6) == DIED
    assert result.find("a", clock.now - 5 + TOLERANCE_S) is None


def test_of_too_many_verdicts_the_oldest_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_verdicts, "MAX_VERDICTS", 2)
    result = CrashVerdicts()
    for name in "abc":
        result.add(name, DIED)
    assert [result.find(name, clock.now) for name in "abc"] == [None, DIED, DIED]


def test_a_verdict_that_nobody_asked_for_in_time_is_not_given(clock: Clock) -> None:
    result = CrashVerdicts()
    result.add("old", DIED)
    clock.now += TTL_S
    assert result.find("old", clock.now - 3600) is None
    result.add("new", DIED)
    assert len(result._verdicts) == 2, "it is forgotten once it is older"
    clock.now += 1
    result.add("newer", DIED)
    assert list(result._verdicts) == ["new", "newer"]
