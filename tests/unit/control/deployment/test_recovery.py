"""What should be served and is down is started again."""

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from control.config.errors import ApiError, NotebookFailure
from control.config.run_dir import write_json
from control.deployment import backoff as backoff_module
from control.deployment import recovery as recovery_module
from control.deployment.recovery import STABLE, Recovery
from control.supervision.client import SupervisorError
from tests.support.waiting import eventually
from tests.unit.control.deployment.conftest import Apis, Supervisors

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
def recovery(clock: Clock, apis: Apis) -> Recovery:
    """`shop` is served; it is started again as the test says."""
    apis.api("shop").backoff = backoff_module.Backoff()
    apis.start("shop")
    return apis.recovery("shop")


def fail_starts(apis: Apis) -> None:
    def fail(slot: str) -> None:
        write_json(apis.api("shop").dir.slot_failure(slot), AWAY)
        apis.supervisors["shop"].states[slot] = "EXITED"

    apis.supervisors["shop"].on_start = fail


def die(apis: Apis, state: str = "FATAL") -> None:
    slot = apis.api("shop").slots.link.serving_slot()
    assert slot
    apis.supervisors["shop"].states[slot] = state  # type: ignore[assignment]


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
    recovery: Recovery, clock: Clock, apis: Apis, state: str
) -> None:
    fail_starts(apis)
    die(apis, state)

    clock.now += 1
    times = attempts(recovery, clock, 130)
    assert times == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    status = apis.status()
    assert (status.state, status.notebook) == ("failed", "shop")
    assert status.last_error is not None
    assert "goes on serving" not in status.last_error["message"]
    assert status.retry is not None
    assert (status.retry["notebook"], status.retry["attempts"]) == ("shop", 9)
    assert datetime.fromisoformat(status.retry["next"]).timestamp() == clock.now - 130 + 121 + 30

    apis.supervisors["shop"].on_start = lambda slot: None
    assert attempts(recovery, clock, 40) == [21]
    assert (apis.served, apis.status().retry, apis.status().last_error) == (["shop"], None, None)


def test_what_dies_as_soon_as_it_serves_is_not_started_without_pauses(
    recovery: Recovery, clock: Clock, apis: Apis
) -> None:
    clock.now += 1
    die(apis)
    assert attempts(recovery, clock, 1) == [0]
    die(apis)
    assert attempts(recovery, clock, 1) == [0]
    die(apis)
    assert attempts(recovery, clock, 3) == [1]
    attempts(recovery, clock, int(STABLE) + 5)
    die(apis)
    assert attempts(recovery, clock, 3) == [0]


def test_a_stop_ends_the_attempts(recovery: Recovery, clock: Clock, apis: Apis) -> None:
    fail_starts(apis)
    die(apis)
    assert attempts(recovery, clock, 5)

    apis.stop_all()

    assert attempts(recovery, clock, 100) == []
    assert (apis.status().state, apis.status().retry) == ("stopped", None)


@pytest.mark.parametrize(
    "action", [lambda apis: apis.start("shop"), lambda apis: apis.restart()], ids=["start", "restart"]
)
def test_a_start_by_a_person_begins_the_pauses_anew(
    recovery: Recovery, clock: Clock, apis: Apis, action: Callable[[Apis], object]
) -> None:
    fail_starts(apis)
    die(apis)
    attempts(recovery, clock, 50)

    with pytest.raises(NotebookFailure):
        action(apis)

    assert attempts(recovery, clock, 9) == [1, 2, 4, 8]


def test_a_start_of_another_project_neither_waits_for_the_attempts_nor_ends_them(
    recovery: Recovery, clock: Clock, apis: Apis
) -> None:
    fail_starts(apis)
    die(apis)
    assert apis.start("bank").state == "serving"
    assert apis.api("shop").is_missing()
    apis.supervisors["shop"].on_start = lambda slot: None

    attempts(recovery, clock, 3)

    assert apis.served == ["shop", "bank"]


def test_what_should_be_served_is_known_to_the_next_control_app(
    tmp_path: Path, supervisors: Supervisors, clock: Clock, apis: Apis
) -> None:
    apis.start("shop")
    die(apis)
    another = Apis(tmp_path, supervisors)
    another.recovery("shop").poll()
    assert another.served == ["shop"]

    another.stop_all()
    for serve in (None, "bank"):
        another = Apis(tmp_path, supervisors, serve=serve)
        for name in ("shop", "bank"):
            another.recovery(name).poll()
        assert another.served == []


def test_a_project_to_serve_that_does_not_exist_is_named_and_served_once_it_does(
    tmp_path: Path, supervisors: Supervisors, clock: Clock
) -> None:
    apis = Apis(tmp_path, supervisors, serve="later")
    recovery = apis.recovery("later")
    assert attempts(recovery, clock, 10) == [0, 1, 3, 7]
    error = apis.status().last_error
    assert error is not None
    assert error["notebook"] == "later"
    assert "There is no project 'later'." in error["message"]

    notebook = apis.settings.notebook_dir / "later" / "server.ipynb"
    notebook.parent.mkdir()
    notebook.write_text("{}")
    attempts(recovery, clock, 10)
    assert apis.served == ["later"]


def test_what_lost_its_files_while_it_runs_is_started_again_beside_it(
    recovery: Recovery, clock: Clock, apis: Apis
) -> None:
    clock.now += 1
    before = apis.api("shop").slots.link.serving_slot()
    shutil.rmtree(apis.api("shop").dir.path)

    assert attempts(recovery, clock, 1) == [0]

    assert before != apis.api("shop").slots.link.serving_slot()
    assert apis.served == ["shop"]
    assert list(apis.supervisors["shop"].states.values()).count("RUNNING") == 1


def test_what_supervisord_refuses_to_start_is_shown_with_the_reason_until_it_starts(
    tmp_path: Path, supervisors: Supervisors, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    apis = Apis(tmp_path, supervisors, serve="shop")
    recovery, supervisor = apis.recovery("shop"), supervisors["shop"]
    supervisor.is_known = False

    def refuse() -> None:
        raise SupervisorError("supervisord refused reloadConfig(): file: 'slots/x/supervisord.conf'")

    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "add_group", refuse)
        assert attempts(recovery, clock, 5) == [0, 1, 3]
    status = apis.status("shop")
    assert status.state == "failed"
    assert "shop cannot be started" in (status.last_error or {})["message"]
    assert "slots/x/supervisord.conf" in (status.last_error or {})["message"]

    attempts(recovery, clock, 5)
    assert (apis.served, apis.status().last_error) == (["shop"], None)


def test_starts_that_hang_do_not_keep_the_others_down(
    tmp_path: Path, supervisors: Supervisors, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(recovery_module, "_turns", turns)
    monkeypatch.setattr(recovery_module, "TURN", 0.05)
    apis, is_over = Apis(tmp_path, supervisors, serve="shop,bank"), threading.Event()
    supervisors["shop"].on_start = lambda _: is_over.wait(20)  # type: ignore[assignment,return-value]
    hanging = threading.Thread(target=apis.recovery("shop").poll)
    hanging.start()
    eventually(lambda: supervisors["shop"].calls)

    apis.recovery("bank").poll()

    assert apis.served == ["bank"]
    is_over.set()
    hanging.join()
    assert turns.acquire(blocking=False)
    assert not turns.acquire(blocking=False), "each turn is given back once"
