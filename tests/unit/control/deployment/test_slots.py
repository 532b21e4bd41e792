"""The slots: which one callers reach, and how one is brought up or given up."""

import configparser
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from control.config.errors import CancelledStart, NotebookFailure, NotReady
from control.config.run_dir import STANDBY, read_json, write_json
from control.config.settings import Settings
from control.deployment import slots as module
from control.deployment.gateway_client import GatewayStatus
from control.deployment.slots import Slots, SlotState
from control.environments.shared import find_shared
from control.projects.catalog import Project
from control.supervision.client import Process, State, Supervisor, SupervisorError
from tests.support.supervisor import FakeSupervisor

FAILURE = {
    "cell": 2,
    "line": 3,
    "file_line": None,
    "source": "x",
    "name": "NameError",
    "value": "x is not defined",
    "traceback": "…",
}


@pytest.fixture
def supervisor() -> FakeSupervisor:
    return FakeSupervisor()


@pytest.fixture
def slots(tmp_path: Path, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch) -> Slots:
    for name in ("apis", "slots"):
        (tmp_path / name).mkdir()
    settings = Settings.from_env({"RUN_DIR": "/tmp/r", "START_TIMEOUT": "5"})  # noqa: S108
    slots = Slots("shop", replace(settings, run_dir=tmp_path), supervisor)  # type: ignore[arg-type]
    slots.prepare_folders()
    monkeypatch.setattr(module, "POLL", 0.001)
    monkeypatch.setattr(slots, "gateway", lambda slot: None)
    return slots


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    return Project("shop", tmp_path / "shop" / "server.ipynb")


def never() -> None:
    """No reason to give a start up."""


def cancel() -> None:
    raise CancelledStart


def ready(slot: str) -> GatewayStatus:
    names = [field.name for field in fields(GatewayStatus)]
    empty: dict[str, Any] = dict.fromkeys(names, 0)
    return GatewayStatus(**{**empty, "ready": True, "endpoints": []})


def test_nothing_is_served_at_first(slots: Slots) -> None:
    assert slots.link.serving_slot() is None
    assert slots.link.serving_since() is None
    assert slots.link.idle_slot() in {"blue", "green"}


def test_callers_reach_the_slot_that_was_cut_over_to(slots: Slots) -> None:
    for slot, other in (("blue", "green"), ("green", "blue"), ("green", "blue")):
        slots.link.cut_over(slot)
        assert (slots.link.serving_slot(), slots.link.idle_slot()) == (slot, other)
        assert slots.dir.link.resolve() == slots.dir.slot(slot)
    since = slots.link.serving_since()
    assert since is not None
    assert since.endswith("+00:00")


def test_callers_reach_none_after_a_cut_off(slots: Slots) -> None:
    slots.link.cut_over("blue")

    slots.link.cut_off()
    slots.link.cut_off()

    assert slots.link.serving_slot() is None


def test_a_slot_is_brought_up_with_what_it_is_to_serve(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "gateway", ready)

    slots.bring_up("green", shop, never)

    assert supervisor.calls == [("start", "green")]
    variables = find_shared(slots.settings).variables()
    project = {"notebook": "shop", "path": str(shop.notebook), "address": "/apis/shop", "code": None}
    order = {**project, "settings": {}, "variables": variables}
    assert read_json(slots.dir.slot_file("green")) == order
    assert slots.link.serving_slot() is None  # that is the caller's decision


def test_a_failing_notebook_is_told_and_its_slot_stopped(
    slots: Slots, shop: Project, supervisor: FakeSupervisor
) -> None:
    supervisor.on_start = lambda slot: write_json(slots.dir.slot_failure(slot), FAILURE)

    with pytest.raises(NotebookFailure, match=r"shop does not run \(cell 2\).*NameError") as failure:
        slots.bring_up("blue", shop, never)

    assert failure.value.error == FAILURE
    assert supervisor.states["blue"] == "STOPPED"


def test_an_earlier_failure_does_not_fail_the_next_start(
    slots: Slots, shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(slots.dir.slot_failure("blue"), FAILURE)
    results = iter([None, ready("blue")])
    monkeypatch.setattr(slots, "gateway", lambda slot: next(results))

    slots.bring_up("blue", shop, never)


@pytest.mark.parametrize("state", ["EXITED", "FATAL", "BACKOFF"])
def test_a_gateway_that_ends_without_a_word_fails_the_start(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, state: State
) -> None:
    supervisor.on_start = lambda slot: supervisor.states.update({slot: state})

    with pytest.raises(NotebookFailure, match="gateway ended") as failure:
        slots.bring_up("blue", shop, never)

    assert set(failure.value.error) == set(FAILURE)


def test_a_start_that_takes_too_long_is_given_up_with_the_settings_name(
    slots: Slots, shop: Project, supervisor: FakeSupervisor
) -> None:
    slots.settings = replace(slots.settings, start_timeout=0)

    with pytest.raises(NotReady, match="START_TIMEOUT"):
        slots.bring_up("blue", shop, never)

    assert supervisor.states["blue"] == "STOPPED"


def test_a_projects_own_limits_are_those_of_its_slot(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.notebook.parent.mkdir()
    own = shop.notebook.with_name("api.toml")
    own.write_text("start_timeout = 1\nrequest_timeout = 300")

    with pytest.raises(NotReady, match="after 1 s"):
        slots.bring_up("blue", shop, never)
    monkeypatch.setattr(slots, "gateway", ready)
    slots.bring_up("blue", shop, never)

    assert read_json(slots.dir.slot_file("blue"))["settings"] == {"START_TIMEOUT": "1", "REQUEST_TIMEOUT": "300"}  # type: ignore[index]
    assert [slots.request_timeout(slot) for slot in ("blue", "green", None)] == [300, 60, 60]


def test_a_bad_setting_of_a_project_starts_and_stops_nothing(
    slots: Slots, shop: Project, supervisor: FakeSupervisor
) -> None:
    shop.notebook.parent.mkdir()
    shop.notebook.with_name("api.toml").write_text("kernels = 65")

    with pytest.raises(
        NotebookFailure, match=r"shop does not run\. InvalidSettings: api\.toml: kernels is '65'"
    ) as failure:
        slots.bring_up("blue", shop, never)

    assert set(failure.value.error) == set(FAILURE)
    assert supervisor.calls == []


def test_a_start_can_be_cancelled(slots: Slots, shop: Project, supervisor: FakeSupervisor) -> None:
    with pytest.raises(CancelledStart):
        slots.bring_up("blue", shop, cancel)

    assert supervisor.states["blue"] == "STOPPED"


def test_a_wait_for_old_requests_can_be_cancelled(slots: Slots, shop: Project, supervisor: FakeSupervisor) -> None:
    supervisor.states["blue"] = "STOPPING"

    with pytest.raises(CancelledStart):
        slots.bring_up("blue", shop, cancel)


def test_a_slot_that_still_finishes_requests_is_waited_for(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(slots.dir.slot_file("blue"), {"notebook": "shop"})
    monkeypatch.setattr(slots, "gateway", ready)
    results = iter([False, False, True])
    monkeypatch.setattr(slots, "is_down", lambda slot: next(results))

    slots.bring_up("blue", shop, never)

    assert next(results, None) is None
    assert supervisor.calls == [("start", "blue")]


def test_a_slot_that_never_ends_is_not_waited_for_without_limit(
    slots: Slots, shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(slots.dir.slot_file("blue"), {"notebook": "shop"})
    monkeypatch.setattr(module, "STOP_MARGIN", 0)
    slots.settings = replace(slots.settings, request_timeout=0)
    monkeypatch.setattr(slots, "is_down", lambda slot: False)

    with pytest.raises(NotReady):
        slots.bring_up("blue", shop, never)


def test_a_gateway_on_standby_is_given_its_project(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(slots.dir.slot_file("blue"), {"notebook": "of an earlier start"})

    slots.set_standby("blue", True)
    slots.set_standby("blue", True)
    assert supervisor.calls == [("start", "blue")]
    assert slots.state("blue") is SlotState.STANDBY

    monkeypatch.setattr(slots, "gateway", ready)
    slots.bring_up("blue", shop, never)
    assert slots.state("blue") is SlotState.UP
    assert ("stop", "blue") not in supervisor.calls


def test_a_gateway_on_standby_is_stopped_when_no_restart_is_expected(slots: Slots, supervisor: FakeSupervisor) -> None:
    slots.set_standby("blue", True)

    slots.set_standby("blue", False)

    assert supervisor.states["blue"] == "STOPPED"


@pytest.mark.parametrize("content", [{"notebook": "shop"}, STANDBY], ids=["requests", "standby"])
def test_a_slot_that_is_stopping_is_neither_started_nor_stopped(
    slots: Slots, supervisor: FakeSupervisor, content: dict[str, str]
) -> None:
    write_json(slots.dir.slot_file("blue"), content)
    supervisor.states["blue"] = "STOPPING"

    slots.set_standby("blue", True)
    slots.set_standby("blue", False)

    assert supervisor.calls == []


PROJECT = {"notebook": "shop"}


@pytest.mark.parametrize(
    ("process", "content", "state"),
    [
        ("STOPPED", None, SlotState.DOWN),
        ("STOPPED", STANDBY, SlotState.DOWN),  # the control app was killed before it started the gateway
        ("STOPPED", PROJECT, SlotState.DOWN),
        ("EXITED", STANDBY, SlotState.DOWN),
        ("STARTING", STANDBY, SlotState.STANDBY),
        ("RUNNING", STANDBY, SlotState.STANDBY),
        ("BACKOFF", STANDBY, SlotState.STANDBY_FAILED),
        ("FATAL", STANDBY, SlotState.STANDBY_FAILED),
        ("STARTING", PROJECT, SlotState.UP),
        ("RUNNING", PROJECT, SlotState.UP),
        ("BACKOFF", PROJECT, SlotState.UP),
        ("FATAL", PROJECT, SlotState.DOWN),
        ("STOPPING", STANDBY, SlotState.STOPPING),
        ("STOPPING", PROJECT, SlotState.STOPPING),
    ],
)
def test_the_state_of_a_slot_follows_from_its_process_and_its_file(
    slots: Slots, supervisor: FakeSupervisor, process: State, content: dict[str, str] | None, state: SlotState
) -> None:
    supervisor.states["blue"] = process
    if content:
        write_json(slots.dir.slot_file("blue"), content)

    assert slots.state("blue") is state


def test_a_gateway_that_does_not_come_up_on_standby_is_not_started_for_ever(
    slots: Slots, supervisor: FakeSupervisor
) -> None:
    slots.set_standby("blue", True)
    for state in ("BACKOFF", "FATAL"):
        supervisor.states["blue"] = state
        slots.set_standby("blue", True)

    assert supervisor.calls == [("start", "blue")]


@pytest.mark.parametrize(
    ("state", "content", "calls"),
    [
        ("RUNNING", PROJECT, ["stop", "start"]),  # nobody waited for its start any more
        ("BACKOFF", STANDBY, ["stop", "start"]),
        ("FATAL", STANDBY, ["stop", "start"]),
        ("RUNNING", STANDBY, ["start"]),
        ("STOPPED", STANDBY, ["start"]),
    ],
)
def test_a_start_gets_a_gateway_whatever_state_its_slot_is_in(
    slots: Slots,
    shop: Project,
    supervisor: FakeSupervisor,
    monkeypatch: pytest.MonkeyPatch,
    state: State,
    content: dict[str, str],
    calls: list[str],
) -> None:
    write_json(slots.dir.slot_file("blue"), content)
    supervisor.states["blue"] = state
    monkeypatch.setattr(slots, "gateway", lambda slot: None if slots.is_standby(slot) else ready(slot))

    slots.bring_up("blue", shop, never)

    assert supervisor.calls == [(call, "blue") for call in calls]
    assert slots.state("blue") is SlotState.UP


def test_a_start_waits_for_a_gateway_on_standby_that_is_being_stopped(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As supervisord starts nothing that is still stopping: the start would fail."""
    write_json(slots.dir.slot_file("blue"), STANDBY)
    supervisor.states["blue"] = "STOPPING"
    monkeypatch.setattr(slots, "gateway", lambda slot: ready(slot) if supervisor.calls else None)
    process = supervisor.process
    polls = iter(["STOPPING"] * 3)

    def stops(program: str) -> Process:
        if next(polls, None) is None and not supervisor.calls:
            supervisor.states[program] = "STOPPED"
        return process(program)

    monkeypatch.setattr(supervisor, "process", stops)

    slots.bring_up("blue", shop, never)

    assert supervisor.calls == [("start", "blue")]
    assert supervisor.states["blue"] == "RUNNING"


def test_the_code_of_the_last_start_is_known_whether_it_was_good_or_not(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.notebook.parent.mkdir()
    shop.notebook.write_text("first")
    monkeypatch.setattr(slots, "gateway", ready)
    slots.bring_up("blue", shop, never)
    slots.link.cut_over("blue")
    first = slots.last_code()
    shop.notebook.write_text("second")
    monkeypatch.setattr(slots, "gateway", lambda slot: None)
    supervisor.on_start = lambda slot: write_json(slots.dir.slot_failure(slot), FAILURE)
    with pytest.raises(NotebookFailure):
        slots.bring_up("green", shop, never)
    assert first is not None
    assert slots.last_code() not in (None, first)


def test_supervisord_is_told_of_the_slots_before_the_first_start_and_forgets_them_after_a_stop(
    slots: Slots, shop: Project, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "gateway", ready)
    supervisor.is_known = False

    slots.bring_up("green", shop, never)

    assert supervisor.calls == [("start", "green")]
    sections = configparser.ConfigParser(interpolation=None)
    sections.read(slots.dir.supervisord_conf)
    programs = [f"{slots.dir.group}-blue", f"{slots.dir.group}-green"]
    assert sections.sections() == [f"group:{slots.dir.group}", *(f"program:{name}" for name in programs)]
    assert sections[f"group:{slots.dir.group}"]["programs"] == ",".join(programs)
    assert sections[f"program:{programs[1]}"]["command"].endswith(f" -m gateway slots/{slots.dir.path.name}/green")

    slots.remove()

    assert not slots.dir.supervisord_conf.exists()
    assert not supervisor.is_known


def test_a_supervisor_that_is_away_has_an_error_of_its_own(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "none.sock", "api-1")

    for call in (supervisor.process, supervisor.start, lambda slot: supervisor.stop(slot, wait=False)):
        with pytest.raises(SupervisorError, match="cannot be reached"):
            call("blue")
