"""Which projects are served, and which is the default one; changes that meet: a stop, a start, a standby."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from control.config.errors import (
    CancelledStart,
    NoDefaultProject,
    NotebookFailure,
    NothingToRestart,
    NotServed,
    ProjectConflict,
    StorageError,
    UnknownProject,
)
from control.config.run_dir import read_json, write_json
from control.deployment.deployment import Deployment
from control.deployment.state import Serving
from control.deployment.watcher import ApiWatcher
from control.logs import rotation
from control.logs.tail import last_lines
from control.projects.catalog import find
from tests.support.notebooks import notebook_text
from tests.support.waiting import eventually
from tests.unit.control.deployment.conftest import Apis, Supervisors

Run = Callable[[Callable[[], Any]], "Future[Any]"]
FAILURE = {"cell": 1, "line": 1, "name": "NameError", "value": "x", "traceback": ""}


@pytest.fixture
def run() -> Any:
    """Runs a function in a thread."""
    with ThreadPoolExecutor(3) as pool:
        yield pool.submit


def fail_starts(apis: Apis, name: str) -> None:
    def fail(slot: str) -> None:
        write_json(apis.api(name).dir.slot_failure(slot), FAILURE)
        apis.supervisors[name].states[slot] = "EXITED"

    apis.supervisors[name].on_start = fail


# -- several APIs


def test_a_start_serves_beside_what_is_served_and_the_first_one_is_the_default(apis: Apis) -> None:
    assert apis.start("shop").is_default
    assert not apis.start("bank").is_default

    assert apis.served == ["shop", "bank"]
    assert apis.default_route.parent == apis.api("shop").dir.path
    for name in ("shop", "bank"):
        assert apis.run.api_link(name).resolve().parent == apis.api(name).dir.path


def test_a_start_of_what_is_served_changes_nothing(apis: Apis, supervisors: Supervisors) -> None:
    apis.start("shop")
    apis.start("bank")
    calls = list(supervisors["bank"].calls)

    assert apis.start("bank").state == "serving"

    assert supervisors["bank"].calls == calls
    assert apis.serving.default == "shop"


def test_a_restart_of_what_is_not_served_makes_it_the_default_and_stops_nothing(apis: Apis) -> None:
    apis.start("shop")

    assert apis.restart("bank").is_default

    assert apis.served == ["bank", "shop"]
    assert apis.default_route.parent == apis.api("bank").dir.path


def test_a_restart_of_what_is_served_leaves_the_default_as_it_is(apis: Apis) -> None:
    apis.start("shop")
    apis.start("bank")
    before = apis.api("bank").slots.link.serving_slot()

    assert not apis.restart("bank").is_default

    assert apis.served == ["shop", "bank"]
    assert apis.api("bank").slots.link.serving_slot() != before
    assert apis.restart().notebook == "shop"


def test_a_stop_of_the_default_leaves_none_until_a_start(apis: Apis) -> None:
    apis.start("shop")
    apis.start("bank")

    assert apis.stop("shop").state == "stopped"

    assert (apis.served, apis.serving.default) == (["bank"], None)
    assert not apis.run.default_link.is_symlink()
    assert apis.status().state == "stopped"
    with pytest.raises(NothingToRestart, match="bank"):
        apis.restart()
    assert apis.start().notebook == "shop", "which was the default last"
    apis.stop("shop")
    assert apis.start("bank").is_default


def test_a_stop_of_another_leaves_the_default_as_it_is(apis: Apis, supervisors: Supervisors) -> None:
    apis.start("shop")
    apis.start("bank")

    apis.stop("bank")

    assert apis.served == ["shop"]
    assert not supervisors["bank"].is_known, "supervisord forgets it"
    assert apis.start("bank").state == "serving"


def test_a_stop_of_all_names_them_and_ends_all(apis: Apis, supervisors: Supervisors) -> None:
    apis.start("shop")
    apis.start("bank")

    assert apis.stop_all() == ["shop", "bank"]

    assert apis.served == []
    assert not list(apis.run.api_links.iterdir())
    assert {state for each in supervisors.values() for state in each.states.values()} == {"STOPPED"}
    assert apis.stop_all() == []


def test_the_default_is_changed_without_a_start(apis: Apis, supervisors: Supervisors) -> None:
    apis.start("shop")
    with pytest.raises(NotServed, match="bank is not being served"):
        apis.set_default("bank")
    apis.start("bank")
    calls = list(supervisors["bank"].calls)

    assert apis.set_default("bank").is_default

    assert apis.default_route.parent == apis.api("bank").dir.path
    assert (apis.status().notebook, supervisors["bank"].calls) == ("bank", calls)
    with pytest.raises(UnknownProject):
        apis.set_default("nothing")


def test_two_projects_with_one_address_are_not_served_together(apis: Apis) -> None:
    for name in ("a/b", "a.b"):
        (apis.settings.notebook_dir / name).mkdir(parents=True)
        (apis.settings.notebook_dir / name / "server.ipynb").write_text(notebook_text(["x = 1"]))
    apis.start("a/b")

    for change in (apis.start, apis.restart):
        with pytest.raises(ProjectConflict, match=r"a/b is being served at /apis/a\.b"):
            change("a.b")

    apis.stop("a/b")
    assert apis.start("a.b").address == "/apis/a.b"


def test_two_first_starts_with_one_address_at_once_serve_one_of_them(
    apis: Apis, supervisors: Supervisors, run: Run
) -> None:
    for name in ("a/b", "a.b"):
        (apis.settings.notebook_dir / name).mkdir(parents=True)
        (apis.settings.notebook_dir / name / "server.ipynb").write_text(notebook_text(["x = 1"]))
    with apis.api("a/b").lock, apis.api("a.b").lock:
        starts = [run(lambda name=name: apis.start(name)) for name in ("a/b", "a.b")]  # type: ignore[misc]
        eventually(lambda: all(future.running() for future in starts))
    errors = [start.exception(5) for start in starts]

    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "ProjectConflict"]
    served = list(apis.serving.apis)
    assert apis.served == served == [("a/b", "a.b")[errors.index(None)]]
    other = next(name for name in ("a/b", "a.b") if name not in served)
    assert "RUNNING" not in supervisors[other].states.values()
    apis.stop(other)
    assert apis.served == served, "a stop of the other one does not concern it"


def test_one_start_does_not_wait_for_another(apis: Apis, supervisors: Supervisors, run: Run) -> None:
    with apis.api("shop").lock:
        start = run(lambda: apis.start("shop"))
        assert apis.start("bank").state == "serving"
        assert not start.done()
    start.result(5)


def test_of_two_first_starts_at_once_one_is_the_default(apis: Apis, run: Run) -> None:
    with apis.api("shop").lock, apis.api("bank").lock:
        starts = [run(lambda name=name: apis.start(name)) for name in ("shop", "bank")]  # type: ignore[misc]
    statuses = [start.result(5) for start in starts]
    assert sorted(apis.served) == ["bank", "shop"]  # type: ignore[type-var]
    assert apis.serving.default in ("shop", "bank")
    assert sum(apis.status(status.notebook).is_default for status in statuses) == 1


def test_a_failed_start_beside_what_is_served_is_shown_until_the_next_good_one(apis: Apis) -> None:
    apis.start("shop")
    fail_starts(apis, "bank")
    with pytest.raises(NotebookFailure, match=r"NameError: x\. shop goes on serving as it was\."):
        apis.restart("bank")

    status = apis.status()
    assert (status.state, status.notebook, (status.last_error or {})["notebook"]) == ("serving", "shop", "bank")
    assert [(each.notebook, each.state) for each in apis.statuses()] == [("bank", "failed"), ("shop", "serving")]

    apis.restart("shop")
    assert apis.status().last_error is None
    assert [each.notebook for each in apis.statuses()] == ["shop"]


def test_an_error_of_one_that_is_served_is_not_the_defaults(apis: Apis) -> None:
    apis.start("shop")
    apis.start("bank")
    fail_starts(apis, "bank")
    with pytest.raises(NotebookFailure, match="bank goes on serving as it was"):
        apis.restart("bank")

    assert apis.status().last_error is None
    assert apis.status("bank").last_error is not None
    assert apis.served == ["shop", "bank"]


def test_the_log_without_a_name_is_that_of_the_newcomer_else_of_the_default_else_of_the_last_default(
    apis: Apis,
) -> None:
    assert not apis.find_log().exists(), "no project has been started yet"
    apis.start("shop")
    apis.start("bank")
    assert apis.find_log() == apis.api("shop").dir.log
    assert apis.find_log("bank") == apis.api("bank").dir.log
    apis.stop("shop")
    assert apis.find_log() == apis.api("shop").dir.log
    apis.set_default("bank")
    assert apis.find_log() == apis.api("bank").dir.log
    fail_starts(apis, "shop")
    with pytest.raises(NotebookFailure):
        apis.start("shop")
    assert apis.status().last_error
    assert apis.find_log() == apis.api("shop").dir.log
    apis.stop("shop")
    assert apis.find_log() == apis.api("bank").dir.log


def test_the_first_start_of_a_project_makes_room_for_its_log(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "ALL_BYTES", 4000)
    for name in ("shop", "bank"):
        apis.supervisors[name].is_known = False
    apis.start("shop")
    log = apis.api("shop").dir.log
    log.write_text("one line\n" * 200)
    apis.restart("shop")
    assert len(last_lines(log, 999)) == 1800

    apis.start("bank")

    assert 900 < len(last_lines(log, 999)) <= 1000
    apis.stop("bank")
    apis.restart("shop")
    assert rotation.file_bytes(apis.run.slots) == 2000, "a stopped one takes no share"


def test_a_stop_leaves_the_last_lines_of_the_log(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    apis.start("shop")
    log = apis.api("shop").dir.log
    log.write_text("one line\n" * 200_000)
    apis.stop("shop")
    assert 100_000 < len(last_lines(log, 999_999)) <= rotation.STOPPED_BYTES


def test_a_log_that_is_asked_for_makes_no_project_known(apis: Apis) -> None:
    assert not apis.find_log("nowhere").exists()
    with pytest.raises(UnknownProject):
        apis.known_name("nowhere")


def test_where_nothing_is_served_callers_read_what_is(apis: Apis) -> None:
    apis.resume()
    assert "No notebook is being served" in read_json(apis.run.not_serving)["message"]  # type: ignore[index]
    apis.start("shop")
    apis.start("bank")
    apis.stop("shop")
    assert read_json(apis.run.not_serving) == {
        "message": "No API is being served at this address. There are: /apis/bank/",
        "extensions": {"code": "not-serving"},
    }


def test_of_addresses_callers_read_only_those_that_respond(apis: Apis) -> None:
    for name in ("shop", "bank"):
        apis.start(name)
    apis.run.api_link("shop").unlink()  # as in a new container, which has started only one by now

    apis.resume()

    answer = read_json(apis.run.not_serving)
    assert answer is not None
    assert answer["message"].endswith("There are: /apis/bank/")
    with pytest.raises(NotServed, match=r"^shop is not being served\. Start it first\. Served are: bank\.$"):
        apis.set_default("shop")
    apis.restart("shop")
    answer = read_json(apis.run.not_serving)
    assert answer is not None
    assert answer["message"].endswith("There are: /apis/bank/, /apis/shop/")


def test_gateways_that_do_not_respond_are_waited_for_together(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    apis.start("shop")
    apis.start("bank")
    both = threading.Barrier(2)

    def hang(name: str, slot: str) -> None:
        both.wait(5)

    monkeypatch.setattr(apis, "gateway", hang)
    assert [status.state for status in apis.statuses()] == ["starting", "starting"]


# -- what the next control app, and the next container, serve


def test_the_same_set_is_served_by_the_next_control_app_and_the_next_container(
    tmp_path: Path, apis: Apis, supervisors: Supervisors
) -> None:
    apis.start("shop")
    apis.start("bank")
    apis.set_default("bank")

    again = Apis(tmp_path, supervisors)
    again.resume()
    assert (again.served, again.serving.default) == (["bank", "shop"], "bank")

    apis.run.serving.unlink()  # the run directory is empty when the stack starts
    assert Apis(tmp_path, supervisors).serving == apis.serving
    assert Apis(tmp_path, supervisors, serve="shop, bank").serving.default == "shop"
    assert Apis(tmp_path, supervisors, serve="shop").serving.apis == ("shop",)


def test_a_start_that_callers_reach_already_is_finished_by_the_next_control_app(
    tmp_path: Path, apis: Apis, supervisors: Supervisors
) -> None:
    apis.start("shop")
    slots = apis.api("bank").slots
    slots.bring_up("blue", find(apis.settings.notebook_dir, "bank"), lambda: None)
    slots.link.cut_over("blue")  # and is killed

    again = Apis(tmp_path, supervisors)
    again.resume()

    assert again.served == ["shop", "bank"]
    assert again.serving.apis == ("shop", "bank")


def test_the_next_control_app_stores_beside_the_notebooks_what_the_last_one_could_not(
    tmp_path: Path, apis: Apis, supervisors: Supervisors
) -> None:
    apis.start("shop")
    before = apis.routes.file.lasting.read_text()
    apis.routes.file.lasting.write_text("{}")

    Apis(tmp_path, supervisors).resume()

    assert apis.routes.file.lasting.read_text() == before


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"[]", b'{"apis": 1}', b'{"apis": "shop"}', b'"x"', b"\xff", b"null", b"[" * 100_000, b" " * 1_000_001),
        json.dumps({"apis": {name: {} for name in ("..", "", "../x", "/etc", "a\n", "\0", "\ud800")}}).encode(),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_file_that_was_ruined_serves_nothing_and_is_named_once(
    tmp_path: Path, supervisors: Supervisors, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    Apis(tmp_path, supervisors).routes.file.lasting.write_bytes(content)
    apis = Apis(tmp_path, supervisors)
    apis.resume()

    assert apis.serving.apis == ()
    assert apis.start("shop").state == "serving"
    assert apis.stop_all() == ["shop"]
    assert capsys.readouterr().out.count(".serving.json was changed") == 1


def test_of_a_file_that_names_what_no_project_can_be_the_rest_is_served(
    tmp_path: Path, supervisors: Supervisors
) -> None:
    content = {"apis": {"../x": {}, "shop": {}, "n" * 300: {}}, "default": "../x", "last_default": 1, "other": []}
    Apis(tmp_path, supervisors).routes.file.lasting.write_text(json.dumps(content))

    apis = Apis(tmp_path, supervisors)

    assert apis.serving == Serving(("shop", "n" * 300), None, None)
    with pytest.raises(UnknownProject):
        apis.recovery("n" * 300).poll()
    apis.recovery("shop").poll()
    assert apis.served == ["shop"]


@pytest.mark.parametrize("serve", ["shop,, shop ,bank/server.ipynb", " shop/ , bank/server.py,", "shop,bank,shop"])
def test_serve_may_name_a_project_twice_or_as_its_file(tmp_path: Path, supervisors: Supervisors, serve: str) -> None:
    assert Apis(tmp_path, supervisors, serve=serve).serving == Serving(("shop", "bank"), "shop", "shop")


@pytest.mark.parametrize("file", [".serving", ".stopped"])
def test_the_volume_of_an_earlier_version_is_understood(tmp_path: Path, supervisors: Supervisors, file: str) -> None:
    old = Apis(tmp_path, supervisors).settings.notebook_dir / file
    old.write_text("bank\n")
    apis = Apis(tmp_path, supervisors)

    assert apis.serving.default == ("bank" if file == ".serving" else None)
    assert apis.start().notebook == "bank"

    assert not old.exists(), "what is in it would be out of date soon"
    assert json.loads(apis.routes.file.lasting.read_text())["default"] == "bank"


def test_a_start_without_a_name_serves_what_was_served_last_also_when_the_stack_is_new(
    tmp_path: Path, apis: Apis, supervisors: Supervisors
) -> None:
    with pytest.raises(NoDefaultProject):
        apis.start()
    for name in ("shop", "bank"):
        apis.start(name)
        assert apis.start().notebook == name, "nothing changes"
        apis.stop_all()
        apis.run.serving.unlink()  # the run directory is empty when the stack starts
        assert Apis(tmp_path, supervisors).serving.apis == ()
        assert Apis(tmp_path, supervisors).start().notebook == name
        Apis(tmp_path, supervisors).stop_all()
        apis.routes.file.content = None


def test_a_fifo_in_place_of_what_is_stored_beside_the_notebooks_blocks_nothing(apis: Apis) -> None:
    for file in (apis.routes.file.lasting, apis.routes.file.old_serving):
        os.mkfifo(file)
    assert apis.status().state == "stopped"
    apis.start("shop")
    assert json.loads(apis.routes.file.lasting.read_text())["default"] == "shop"


def test_what_was_served_last_is_known_without_a_writable_folder_of_notebooks(
    apis: Apis, capsys: pytest.CaptureFixture[str]
) -> None:
    apis.routes.file.lasting = apis.settings.notebook_dir / "missing" / "folder"
    apis.start("shop")
    apis.start("bank")
    apis.stop_all()
    assert capsys.readouterr().out.count("A new container will not serve what is served now") == 1
    assert not apis.api("shop").is_missing()
    assert apis.start().notebook == "shop"


# -- changes that meet


def test_a_first_start_that_meets_a_stop_of_all_is_not_forgotten(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    apis.start("shop")
    shop = apis.api("shop")
    cut_off = shop.cut_off

    @contextmanager
    def cut_off_as_another_starts(withdraw: Callable[[], None]) -> Iterator[None]:
        with cut_off(withdraw):
            apis.start("bank")
            yield

    monkeypatch.setattr(shop, "cut_off", cut_off_as_another_starts)
    assert apis.stop_all() == ["shop"]
    assert apis.served == ["bank"]
    assert apis.serving.default == "bank"


def test_a_stop_ends_a_restart_that_waits_for_old_requests(apis: Apis, supervisors: Supervisors, run: Run) -> None:
    apis.start("shop")
    supervisors["shop"].states["green"] = "STOPPING"  # for up to REQUEST_TIMEOUT
    restart = run(lambda: apis.restart("shop"))
    eventually(lambda: apis.api("shop").busy == "Restarting shop.")

    apis.stop("shop")

    with pytest.raises(CancelledStart) as error:
        restart.result(5)
    assert "goes on serving" not in str(error.value)
    assert (apis.status().state, apis.status().last_error) == ("stopped", None)
    assert set(supervisors["shop"].states.values()) == {"STOPPED"}


def test_callers_are_cut_off_before_a_stop_waits_for_the_change_in_progress(apis: Apis, run: Run) -> None:
    apis.start("shop")
    api = apis.api("shop")
    with api.lock:
        stop = run(apis.stop_all)
        # No callers, and nothing that is started again.
        eventually(lambda: (api.slots.link.serving_slot(), api.is_missing()) == (None, False))
        assert not stop.done()
    assert stop.result(5) == ["shop"]


def test_what_gets_ready_just_as_it_is_stopped_is_not_served(
    apis: Apis, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[Future[Any]] = []
    api = apis.api("shop")

    def stop_and_get_ready(name: str, slot: str) -> Any:
        if not stops:
            stops.append(run(apis.stop_all))
            eventually(lambda: api.pending_stops)
        return Apis.gateway(apis, name, slot)

    monkeypatch.setattr(apis, "gateway", stop_and_get_ready)

    with pytest.raises(CancelledStart):
        apis.start("shop")
    assert stops[0].result(5) == []
    assert api.slots.link.serving_slot() is None
    assert apis.serving.apis == ()


def test_a_stop_that_waits_its_turn_has_no_gateway_put_on_standby(apis: Apis, supervisors: Supervisors) -> None:
    apis.start("shop")
    api = apis.api("shop")
    apis.set_reload(True)
    write_json(api.dir.last_error, {"notebook": "shop"})  # as a start leaves it that the stop has cancelled
    api.slots.link.cut_off()
    api.pending_stops = 1
    before = list(supervisors["shop"].calls)

    ApiWatcher(api, apis).keep_standby()

    assert supervisors["shop"].calls == before


def test_a_stop_that_the_control_app_did_not_survive_is_not_forgotten(apis: Apis, run: Run) -> None:
    """As it may be killed while it waits for requests in progress."""
    apis.start("shop")
    api = apis.api("shop")
    with api.lock:
        stop = run(apis.stop_all)
        eventually(lambda: api.slots.link.serving_slot() is None)
        assert eventually(lambda: Deployment(apis.settings).serving.apis == ())
    stop.result(5)


# -- a gateway on standby: only where the next save is expected


def test_only_the_api_that_was_saved_last_has_a_gateway_on_standby(apis: Apis) -> None:
    apis.start("shop")
    apis.start("bank")
    apis.set_reload(True)
    watchers = {name: ApiWatcher(apis.api(name), apis) for name in ("shop", "bank")}

    def on_standby() -> list[str]:
        for watcher in watchers.values():
            watcher.keep_standby()
        return [name for name in watchers if apis.api(name).slots.is_standby(apis.api(name).slots.link.idle_slot())]

    assert on_standby() == ["shop"], "the default one, before any save"
    (apis.settings.notebook_dir / "bank" / "server.ipynb").write_text(notebook_text(["x = 2"]))
    watchers["bank"].reload()
    on_standby()
    states = {name: apis.supervisors[name].states[apis.api(name).slots.link.idle_slot()] for name in watchers}
    assert states == {"shop": "STOPPED", "bank": "RUNNING"}


def test_the_switch_is_one_for_all_until_it_is_used_for_one(apis: Apis) -> None:
    apis.start("shop")
    apis.set_reload(True, "bank")
    assert (apis.status("shop").reload, apis.status("bank").reload) == (False, True)
    apis.set_reload(True)
    apis.set_reload(False, "shop")
    assert (apis.status("shop").reload, apis.status("bank").reload) == (False, True)
    apis.set_reload(False)
    assert (apis.status("shop").reload, apis.status("bank").reload) == (False, False)


# -- a full disk, here as folders in the places of the files that are written first


@pytest.mark.parametrize("name", ["last-order.json", "link", "default"])
def test_a_restart_that_cannot_be_written_down_says_so_and_leaves_one_version_running(
    apis: Apis, supervisors: Supervisors, name: str
) -> None:
    apis.start("shop")
    api = apis.api("shop")
    before = api.slots.link.serving_slot()
    places = {"last-order.json": api.dir.last_start, "link": api.dir.link, "default": apis.run.default_link}
    places[name].with_name(f".{places[name].name}.partial").mkdir()

    with pytest.raises(StorageError, match=r" cannot be written: .*\. shop goes on serving as it was\."):
        apis.restart("shop")

    assert (apis.served, api.slots.link.serving_slot()) == (["shop"], before)
    assert sorted(supervisors["shop"].states.values()) == ["RUNNING", "STOPPED"]


def test_a_stop_needs_no_room_on_the_disk(apis: Apis, supervisors: Supervisors) -> None:
    apis.start("shop")
    (apis.run.path / ".serving.json.partial").mkdir()

    assert apis.stop_all() == ["shop"]

    assert not apis.api("shop").is_missing(), "nothing is started again"
    assert set(supervisors["shop"].states.values()) == {"STOPPED"}
