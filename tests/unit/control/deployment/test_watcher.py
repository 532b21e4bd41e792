"""The thread that watches: nothing ends it but the end of the stack."""

import pytest

from control.deployment.watcher import Duty
from control.supervision.client import ShutdownInProgress, SupervisorError


@pytest.mark.parametrize("error", [SupervisorError("away"), RecursionError(), MemoryError(), KeyError("x")])
def test_what_a_duty_raises_is_printed_once_and_it_goes_on(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1
        if polls != 3:
            raise error

    duty = Duty("Watch", poll)
    for _ in range(5):
        duty.run()

    assert polls == 5
    assert capsys.readouterr().out.count("Watch: ") == 2, "once, and again after a poll that went well"


def test_a_duty_ends_with_the_stack() -> None:
    def poll() -> None:
        raise ShutdownInProgress

    with pytest.raises(ShutdownInProgress):
        Duty("Watch", poll).run()


def test_a_duty_with_an_interval_is_not_polled_before_it_is_over() -> None:
    polls: list[None] = []
    duty = Duty("Watch", lambda: polls.append(None), interval=60.0)
    duty.run()
    duty.run()
    assert len(polls) == 1
