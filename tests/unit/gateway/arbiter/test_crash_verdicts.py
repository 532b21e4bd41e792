"""Verdicts on requests whose kernel died."""

import pytest

from gateway.arbiter import crash_verdicts
from gateway.arbiter.crash_verdicts import CrashVerdicts, Verdict

DIED = Verdict(502, "kernel-died", "It ended.")


def test_a_verdict_is_given_to_all_who_gave_that_id() -> None:
    result = CrashVerdicts()
    result.add("a", DIED)
    assert [result.find(name) for name in ("a", "a", "b")] == [DIED, DIED, None]


def test_of_too_many_verdicts_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_verdicts, "MAX_VERDICTS", 2)
    result = CrashVerdicts()
    for name in "abc":
        result.add(name, DIED)
    assert [result.find(name) for name in "abc"] == [None, DIED, DIED]


def test_a_verdict_that_nobody_asked_for_in_time_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CrashVerdicts()
    result.add("old", DIED)
    monkeypatch.setattr(crash_verdicts, "TTL_S", 0)
    result.add("new", DIED)
    assert result.find("old") is None
