"""Which project a change is about; changes that meet: a stop, a start, a standby."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from control.config.errors import CancelledStart, NoDefaultProject, StorageError
from control.config.run_dir import write_json
from control.deployment.deployment import Deployment
from control.deployment.reloader import Reloader
from tests.support.supervisor import FakeSupervisor
from tests.support.waiting import eventually
from tests.unit.control.deployment.conftest import Api

Run = Callable[[Callable[[], Any]], "Future[Any]"]


@pytest.fixture
def run() -> Any:
    """Runs a function in a thread."""
    with ThreadPoolExecutor(3) as pool:
        yield pool.submit


def test_a_stop_ends_a_restart_that_waits_for_old_requests(api: Api, supervisor: FakeSupervisor, run: Run) -> None:
    api.start("shop")
    supervisor.states["green"] = "STOPPING"  # for up to REQUEST_TIMEOUT
    restart = run(lambda: api.restart("bank"))
    eventually(lambda: api.busy == "Restarting bank.")

    api.stop()

    with pytest.raises(CancelledStart):
        restart.result(5)
    assert (api.status().state, api.status().last_error) == ("stopped", None)
    assert set(supervisor.states.values()) == {"STOPPED"}


def test_callers_are_cut_off_before_a_stop_waits_for_the_change_in_progress(api: Api, run: Run) -> None:
    api.start("shop")
    with api.lock:
        stop = run(api.stop)
        # No callers, and nothing that is started again.
        eventually(lambda: (api.slots.serving_slot(), api.missing_project()) == (None, None))
        assert not stop.done()
    assert stop.result(5).state == "stopped"


def test_what_gets_ready_just_as_it_is_stopped_is_not_served(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[Future[Any]] = []

    def stop_and_get_ready(slot: str) -> Any:
        if not stops:
            stops.append(run(api.stop))
            eventually(lambda: api.pending_stops)
        return Api.gateway(api, slot)

    monkeypatch.setattr(api.slots, "gateway", stop_and_get_ready)

    with pytest.raises(CancelledStart):
        api.start("shop")
    assert stops[0].result(5).state == "stopped"
    assert api.slots.serving_slot() is None


def test_a_stop_that_waits_its_turn_has_no_gateway_put_on_standby(api: Api, supervisor: FakeSupervisor) -> None:
    api.start("shop")
    api.reload.set(True)
    write_json(api.run.last_error, {"notebook": "shop"})  # as a start leaves it that the stop has cancelled
    api.slots.cut_off()
    api.pending_stops = 1
    before = list(supervisor.calls)

    Reloader(api).keep_standby()

    assert supervisor.calls == before


def test_after_a_restart_that_is_cancelled_nothing_is_said_to_be_served(api: Api, run: Run) -> None:
    api.start("shop")
    api.supervisor.states["green"] = "STOPPING"
    restart = run(lambda: api.restart("bank"))
    eventually(lambda: api.busy == "Restarting bank.")
    api.stop()
    with pytest.raises(CancelledStart) as error:
        restart.result(5)
    assert "goes on serving" not in str(error.value)


def test_a_stop_that_the_control_app_did_not_survive_is_not_forgotten(api: Api, run: Run) -> None:
    """As it may be killed while it waits for requests in progress."""
    api.start("shop")
    with api.lock:
        stop = run(api.stop)
        eventually(lambda: api.slots.serving_slot() is None)
        assert eventually(lambda: Deployment(api.settings).missing_project() is None)
    stop.result(5)


def test_a_start_without_a_name_serves_what_was_served_last_also_when_the_stack_is_new(
    tmp_path: Path, api: Api, supervisor: FakeSupervisor
) -> None:
    with pytest.raises(NoDefaultProject):
        api.start()
    for name in ("shop", "bank"):
        api.start(name)
        assert api.start().notebook == name, "nothing changes"
        api.stop()
        api.run.target.unlink()  # the run directory is empty when the stack starts
        assert Api(tmp_path, supervisor).missing_project() is None
        assert Api(tmp_path, supervisor).start().notebook == name
        api.stop()


def test_a_fifo_in_place_of_what_is_stored_beside_the_notebooks_blocks_nothing(api: Api) -> None:
    os.mkfifo(api.target.serving)
    assert api.status().state == "stopped"
    api.start("shop")
    assert api.target.serving.read_text() == "shop\n"


def test_what_was_served_last_is_known_without_a_writable_folder_of_notebooks(
    api: Api,
) -> None:
    api.target.serving = api.target.stopped = api.settings.notebook_dir / "missing" / "folder"
    api.start("shop")
    api.stop()
    assert api.missing_project() is None
    assert api.start().notebook == "shop"


# -- a full disk, here as folders in the places of the files that are written first


@pytest.mark.parametrize("name", ["last-order.json", "api"])
def test_a_restart_that_cannot_be_written_down_says_so_and_leaves_one_version_running(
    api: Api, supervisor: FakeSupervisor, name: str
) -> None:
    api.start("shop")
    (api.run.path / f".{name}.partial").mkdir()

    with pytest.raises(StorageError, match=rf"{name} cannot be written: .*\. shop goes on serving as it was\."):
        api.restart("bank")

    assert api.served == "shop"
    assert sorted(supervisor.states.values()) == ["RUNNING", "STOPPED"]


def test_a_stop_needs_no_room_on_the_disk(api: Api, supervisor: FakeSupervisor) -> None:
    api.start("shop")
    (api.run.path / ".target.json.partial").mkdir()

    assert api.stop().state == "stopped"

    assert api.missing_project() is None, "nothing is started again"
    assert set(supervisor.states.values()) == {"STOPPED"}
