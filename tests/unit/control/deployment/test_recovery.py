"""What should be served and is down is started again."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from control.config.errors import ApiError, NotebookFailure
from control.config.run_dir import write_json
from control.deployment import backoff as backoff_module
from control.deployment.recovery import STABLE, Recovery
from tests.support.supervisor import FakeSupervisor
from tests.unit.control.deployment.conftest import Api

AWAY = {"cell": 1, "line": 1, "name": "ConnectionError", "value": "the database is away", "traceback": ""}


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(backoff_module, "time", SimpleNamespace(time=clock.time, monotonic=clock.time))
    return clock


@pytest.fixture
def recovery(clock: Clock, api: Api) -> Recovery:
    """`shop` is served; it is started again as the test says."""
    api.backoff = backoff_module.Backoff()
    api.start("shop")
    return Recovery(api)


def fail_starts(api: Api) -> None:
    def fail(slot: str) -> None:
        write_json(api.run.slot_failure(slot), AWAY)
        api.supervisor.states[slot] = "EXITED"

    api.supervisor.on_start = fail


def die(api: Api, state: str = "FATAL") -> None:
    slot = api.slots.serving_slot()
    assert slot
    api.supervisor.states[slot] = state  # type: ignore[assignment]


def attempts(recovery: Recovery, clock: Clock, seconds: int) -> list[int]:
    """When it was tried to start the project, in seconds from now."""
    times = []
    for second in range(seconds):
        before = recovery.api.backoff.total
        with suppress(ApiError):
            recovery.poll()
        if recovery.api.backoff.total > before:
            times.append(second)
        clock.now += 1
    return times


@pytest.mark.parametrize("state", ["FATAL", "EXITED"])
def test_a_slot_that_stays_down_is_started_again_with_growing_pauses_until_it_serves(
    recovery: Recovery, clock: Clock, api: Api, state: str
) -> None:
    fail_starts(api)
    die(api, state)

    clock.now += 1
    times = attempts(recovery, clock, 130)
    assert times == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    status = api.status()
    assert (status.state, status.notebook) == ("failed", "shop")
    assert status.last_error is not None
    assert "goes on serving" not in status.last_error["message"]
    assert status.retry is not None
    assert (status.retry["notebook"], status.retry["attempts"]) == ("shop", 9)
    assert datetime.fromisoformat(status.retry["next"]).timestamp() == clock.now - 130 + 121 + 30

    api.supervisor.on_start = lambda slot: None
    assert attempts(recovery, clock, 40) == [21]
    assert (api.served, api.status().retry, api.status().last_error) == ("shop", None, None)


def test_what_dies_as_soon_as_it_serves_is_not_started_without_pauses(
    recovery: Recovery, clock: Clock, api: Api
) -> None:
    clock.now += 1
    die(api)
    assert attempts(recovery, clock, 1) == [0]
    die(api)
    assert attempts(recovery, clock, 1) == [0]
    die(api)
    assert attempts(recovery, clock, 3) == [1]
    attempts(recovery, clock, int(STABLE) + 5)
    die(api)
    assert attempts(recovery, clock, 3) == [0]


def test_a_stop_ends_the_attempts(recovery: Recovery, clock: Clock, api: Api) -> None:
    fail_starts(api)
    die(api)
    assert attempts(recovery, clock, 5)

    api.stop()

    assert attempts(recovery, clock, 100) == []
    assert (api.status().state, api.status().retry) == ("stopped", None)


@pytest.mark.parametrize("action", [lambda api: api.start("shop"), lambda api: api.restart()], ids=["start", "restart"])
def test_a_start_by_a_person_begins_the_pauses_anew(
    recovery: Recovery, clock: Clock, api: Api, action: Callable[[Api], object]
) -> None:
    fail_starts(api)
    die(api)
    attempts(recovery, clock, 50)

    with pytest.raises(NotebookFailure):
        action(api)

    assert attempts(recovery, clock, 9) == [1, 2, 4, 8]


def test_a_failed_start_of_another_project_does_not_end_the_attempts(
    recovery: Recovery, clock: Clock, api: Api
) -> None:
    fail_starts(api)
    die(api)
    with pytest.raises(NotebookFailure):
        api.restart("bank")
    api.supervisor.on_start = lambda slot: None

    attempts(recovery, clock, 3)

    assert api.served == "shop"


def test_what_should_be_served_is_known_to_the_next_control_app(
    tmp_path: Path, supervisor: FakeSupervisor, clock: Clock, api: Api
) -> None:
    api.start("shop")
    die(api)
    another = Api(tmp_path, supervisor)
    Recovery(another).poll()
    assert another.served == "shop"

    another.stop()
    for serve in (None, "bank"):
        another = Api(tmp_path, supervisor, serve=serve)
        Recovery(another).poll()
        assert another.served is None


def test_a_project_to_serve_that_does_not_exist_is_named_and_served_once_it_does(
    tmp_path: Path, supervisor: FakeSupervisor, clock: Clock
) -> None:
    api = Api(tmp_path, supervisor, serve="later")
    recovery = Recovery(api)
    assert attempts(recovery, clock, 10) == [0, 1, 3, 7]
    error = api.status().last_error
    assert error is not None
    assert error["notebook"] == "later"
    assert "There is no project 'later'." in error["message"]

    notebook = api.settings.notebook_dir / "later" / "server.ipynb"
    notebook.parent.mkdir()
    notebook.write_text("{}")
    attempts(recovery, clock, 10)
    assert api.served == "later"
