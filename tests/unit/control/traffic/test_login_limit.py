"""Which callers count as guessing, since when and until when."""

from pathlib import Path

import pytest

from control.traffic.login_limit import MAX_CALLERS, MAX_FAILURES, QUIET, WINDOW, LoginLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(tmp_path: Path, clock: Clock) -> LoginLimit:
    return LoginLimit(tmp_path, clock)


def list_limited_callers(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_the_twentieth_wrong_password_within_ten_seconds_limits_its_caller(
    limit: LoginLimit, tmp_path: Path, clock: Clock
) -> None:
    for _ in range(MAX_FAILURES - 1):
        limit.add_failure(b"192.0.2.1")
        limit.add_failure(b"192.0.2.2")
    clock.now += WINDOW
    assert list_limited_callers(tmp_path) == set()

    limit.add_failure(b"192.0.2.1")

    assert list_limited_callers(tmp_path) == {"192.0.2.1"}


def test_the_same_over_a_longer_time_limits_nobody(limit: LoginLimit, tmp_path: Path, clock: Clock) -> None:
    for _ in range(10 * MAX_FAILURES):
        limit.add_failure(b"192.0.2.1")
        clock.now += WINDOW / (MAX_FAILURES - 2)

    assert list_limited_callers(tmp_path) == set()


def test_a_quiet_minute_ends_the_limit(
    limit: LoginLimit, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(MAX_FAILURES):
        limit.add_failure(b"192.0.2.1")
    clock.now += QUIET - 1
    limit.tick()
    assert list_limited_callers(tmp_path) == {"192.0.2.1"}
    limit.add_failure(b"192.0.2.1")  # it is not quiet
    clock.now += QUIET - 1
    limit.tick()
    assert list_limited_callers(tmp_path) == {"192.0.2.1"}

    clock.now += 1
    limit.tick()

    assert list_limited_callers(tmp_path) == set()
    assert "192.0.2.1 sent no wrong password for a minute" in capsys.readouterr().out
    for _ in range(MAX_FAILURES - 1):
        limit.add_failure(b"192.0.2.1")
    assert list_limited_callers(tmp_path) == set(), "it begins anew"


def test_limits_of_an_earlier_process_stay_in_force(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "2001:db8:1:2:").touch()
    limit = LoginLimit(tmp_path, clock)

    limit.tick()
    assert list_limited_callers(tmp_path) == {"2001:db8:1:2:"}
    clock.now += QUIET
    limit.tick()
    assert list_limited_callers(tmp_path) == set()


def test_a_second_is_logged_in_few_lines(limit: LoginLimit, capsys: pytest.CaptureFixture[str]) -> None:
    for caller in range(6):
        for _ in range(MAX_FAILURES + caller):
            limit.add_failure(f"192.0.2.{caller}".encode())

    limit.tick()

    first, second = capsys.readouterr().out.splitlines()
    assert first == "wrong passwords: 135 (25 from 192.0.2.5, 24 from 192.0.2.4, 23 from 192.0.2.3, others)"
    assert second.startswith("192.0.2.0, 192.0.2.1, 192.0.2.2 and 3 others sent 20 wrong passwords within 10 s")
    limit.tick()
    assert capsys.readouterr().out == ""


def test_more_callers_than_are_remembered_do_no_harm(limit: LoginLimit, tmp_path: Path) -> None:
    for number in range(MAX_CALLERS + 10):
        caller = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}".encode()
        limit.add_failure(caller)
    for _ in range(MAX_FAILURES - 1):
        limit.add_failure(caller)

    assert list_limited_callers(tmp_path) == {caller.decode()}


@pytest.mark.parametrize("message", [b"", b"../../etc/passwd", b"a/b", b"192.0.2.1\n", b"\xff", b"1" * 100])
def test_an_invalid_address_creates_no_file(limit: LoginLimit, tmp_path: Path, message: bytes) -> None:
    for _ in range(MAX_FAILURES):
        with pytest.raises(ValueError, match=r"."):
            limit.add_failure(message)

    assert list_limited_callers(tmp_path) == set()
