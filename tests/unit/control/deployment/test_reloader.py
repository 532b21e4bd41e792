"""When a save restarts what is served, without a stack."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from control.config.errors import NotebookFailure, UnknownProject
from control.config.run_dir import write_json
from control.config.settings import Settings
from control.deployment.deployment import Deployment
from control.deployment.fingerprint import file_fingerprint
from control.deployment.watcher import ApiWatcher
from control.projects.catalog import Project
from control.supervision.client import SupervisorError
from tests.support.notebooks import notebook_text

FAILURE = {"cell": 1, "line": 1, "name": "ValueError", "value": "", "traceback": ""}


class ServedApi:
    """The API of `shop` over a run directory, with starts that only note what they were to serve."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notebook_dir = folder / "notebooks"
        run_dir = folder / "run"
        for name in ("apis", "slots"):
            (run_dir / name).mkdir(parents=True)
        self.notebook_dir.mkdir()
        settings = Settings.from_env({"NOTEBOOK_DIR": str(self.notebook_dir)})
        self.deployment = Deployment(replace(settings, run_dir=run_dir, reload=True))
        self.api = self.deployment.api("shop")
        self.api.slots.prepare_folders()
        self.starts: list[str | None] = []
        self.on_start: Callable[[], None] = lambda: None
        monkeypatch.setattr(self.api, "replace", self.replace)
        monkeypatch.setattr(self.api.slots, "set_standby", lambda slot, on: None)
        self.watcher = ApiWatcher(self.api, self.deployment)
        self.reloader = self.watcher.reloader

    def save(self, *cells: str) -> None:
        path = self.notebook_dir / "shop" / "server.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(notebook_text(list(cells)))

    def replace(self, project: Project, publish: Callable[[], None] = lambda: None) -> None:
        code = file_fingerprint(project.notebook)
        write_json(self.api.dir.last_start, {"notebook": project.name, "code": code})
        self.starts.append(code)
        self.on_start()
        slot = self.api.slots.link.idle_slot()
        write_json(self.api.dir.slot_file(slot), {"notebook": project.name, "code": code})
        self.api.slots.link.cut_over(slot)

    def poll(self, times: int = 3) -> int:
        """How many restarts so many polls cause."""
        before = len(self.starts)
        for _ in range(times):
            self.reloader.poll()
        return len(self.starts) - before


@pytest.fixture
def served_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServedApi:
    """`shop` is served."""
    served_api = ServedApi(tmp_path, monkeypatch)
    served_api.save("x = 1")
    served_api.replace(Project("shop", served_api.notebook_dir / "shop" / "server.ipynb"))
    return served_api


def test_new_code_causes_one_restart(served_api: ServedApi) -> None:
    assert served_api.poll() == 0
    served_api.save("x = 2")
    assert served_api.poll() == 1


def test_the_same_notebook_as_text_is_no_new_code_until_it_is_changed(served_api: ServedApi) -> None:
    folder = served_api.notebook_dir / "shop"
    (folder / "server.py").write_text("# %%\nx = 2\n")
    assert served_api.poll() == 0  # server.ipynb counts

    (folder / "server.py").write_text("# %%\nx = 1\n")
    (folder / "server.ipynb").unlink()
    assert served_api.poll() == 0
    (folder / "server.py").write_text("# %%\nx = 2\n")
    assert served_api.poll() == 1


def test_saves_without_new_code_cause_none(served_api: ServedApi) -> None:
    for _ in range(5):
        served_api.save("x = 1", "", "  ")
        assert served_api.poll(1) == 0


def test_while_the_switch_is_off_a_save_waits_until_it_is_on(served_api: ServedApi) -> None:
    served_api.api.reload.set(False)
    served_api.save("x = 2")
    assert served_api.poll() == 0

    served_api.api.reload.set(True)
    assert served_api.poll() == 1


def test_the_switch_outlives_the_control_app(served_api: ServedApi) -> None:
    served_api.api.reload.set(False)

    assert Deployment(served_api.api.settings).api("shop").reload.is_on() is False


def test_a_save_that_the_control_app_slept_through_is_seen_by_the_next_one(served_api: ServedApi) -> None:
    served_api.save("x = 2")
    served_api.reloader = ApiWatcher(served_api.api, served_api.deployment).reloader

    assert served_api.poll() == 1


def test_a_version_that_does_not_run_is_tried_once_and_its_repair_again(served_api: ServedApi) -> None:
    def fail() -> None:
        raise NotebookFailure("shop does not run.", FAILURE)

    served_api.on_start = fail
    served_api.save("x = ")
    with pytest.raises(NotebookFailure):
        served_api.poll(1)
    assert served_api.poll() == 0

    served_api.on_start = lambda: None
    served_api.save("x = 1")  # as it was
    assert served_api.poll() == 1


def test_a_restart_that_did_not_reach_supervisord_is_tried_again(served_api: ServedApi) -> None:
    def fail(project: Project, publish: Callable[[], None]) -> None:
        raise SupervisorError("supervisord cannot be reached")

    served_api.save("x = 2")
    replace, served_api.api.replace = served_api.api.replace, fail  # type: ignore[method-assign]
    with pytest.raises(SupervisorError):
        served_api.poll(1)

    served_api.api.replace = replace  # type: ignore[method-assign]
    assert served_api.poll() == 1


def test_a_save_in_the_middle_of_a_restart_causes_one_more(served_api: ServedApi) -> None:
    def save_once_more() -> None:
        served_api.on_start = lambda: None
        served_api.save("x = 3")

    served_api.on_start = save_once_more
    served_api.save("x = 2")

    assert served_api.poll(5) == 2


def test_a_restart_by_hand_of_the_same_code_is_enough(served_api: ServedApi) -> None:
    served_api.save("x = 2")
    served_api.replace(Project("shop", served_api.notebook_dir / "shop" / "server.ipynb"))

    assert served_api.poll() == 0


def test_what_was_stopped_stays_stopped(served_api: ServedApi) -> None:
    served_api.api.slots.link.cut_off()
    served_api.save("x = 2")

    assert served_api.poll() == 0


def test_what_is_stopped_while_a_save_waits_for_its_turn_stays_stopped(served_api: ServedApi) -> None:
    served_api.save("x = 2")
    served_api.api.slots.link.cut_off()

    served_api.reloader._restart("new")

    assert len(served_api.starts) == 1


def test_a_project_that_failed_while_nothing_was_served_starts_when_it_is_repaired(served_api: ServedApi) -> None:
    served_api.api.slots.link.cut_off()
    write_json(served_api.api.dir.last_error, {**FAILURE, "notebook": "shop"})
    assert served_api.poll() == 0

    served_api.save("x = 2")
    assert served_api.poll() == 1


def test_a_deleted_notebook_restarts_nothing(served_api: ServedApi) -> None:
    (served_api.notebook_dir / "shop" / "server.ipynb").unlink()

    assert served_api.poll() == 0


def test_a_notebook_that_may_not_be_served_is_tried_once(served_api: ServedApi, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.ipynb"
    elsewhere.write_text(notebook_text(["x = 2"]))
    notebook = served_api.notebook_dir / "shop" / "server.ipynb"
    notebook.unlink()
    notebook.symlink_to(elsewhere)

    with pytest.raises(UnknownProject):
        served_api.poll(1)
    assert served_api.poll() == 0


def test_a_gateway_is_kept_ready_only_while_a_save_would_restart(
    served_api: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(served_api.api.slots, "set_standby", lambda slot, on: calls.append(on))

    served_api.watcher.keep_standby()
    served_api.api.reload.set(False)
    served_api.watcher.keep_standby()
    served_api.api.reload.set(True)
    served_api.api.slots.link.cut_off()
    served_api.watcher.keep_standby()

    assert calls == [True, False, False]
