"""Whatever happens in whatever order: what is served, what callers reach, what is noted and what is shown agree."""

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from control.config import run_dir
from control.config.errors import ApiError, StorageError
from control.config.run_dir import SLOTS, project_behind, read_json, slug, write_json
from control.deployment import slots as slots_module
from tests.support.notebooks import notebook_text
from tests.support.supervisor import FakeSupervisor
from tests.unit.control.deployment.conftest import Apis
from tests.unit.control.deployment.test_deployment import FAILURE

NAMES = ("shop", "a/b", "a.b")  # two of them have one address
name = st.sampled_from(NAMES)


class Killed(BaseException):
    """The control app was killed."""


class Storage:
    """The disk, which may be full, or see the end of the process that writes."""

    def __init__(self) -> None:
        self.is_full = False
        self.writes_until_kill: int | None = None

    @contextmanager
    def write(self, path: Path) -> Iterator[None]:
        if self.writes_until_kill is not None:
            self.writes_until_kill -= 1
            if self.writes_until_kill < 0:
                raise Killed
        if self.is_full:
            raise StorageError(f"{path} cannot be written: No space left on device.")
        yield


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.storage = Storage()
        self.patch.setattr(run_dir, "_storage_errors", self.storage.write)
        self.patch.setattr(slots_module, "POLL", 0.0001)
        self.supervisors: dict[str, FakeSupervisor] = defaultdict(FakeSupervisor)
        self.is_noted = True  # whether the files beside the notebooks are up to date: the disk was not full

    @initialize()
    def begin(self) -> None:
        for each in NAMES:
            self.supervisors[each].is_known = False
            (self.folder / "notebooks" / each).mkdir(parents=True)
            (self.folder / "notebooks" / each / "server.ipynb").write_text(notebook_text(["x = 1"]))
        self.new_control_app()

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.folder)

    def attempt(self, action: Callable[[], object]) -> None:
        with suppress(ApiError):
            action()

    # -- what a person does

    @rule(name=name)
    def start(self, name: str) -> None:
        self.attempt(lambda: self.apis.start(name))

    @rule()
    def start_without_a_name(self) -> None:
        self.attempt(self.apis.start)

    @rule(name=name)
    def restart(self, name: str) -> None:
        self.attempt(lambda: self.apis.restart(name))

    @rule(name=name)
    def stop(self, name: str) -> None:
        self.apis.stop(name)
        assert self.apis.status(name).state == "stopped"

    @rule()
    def stop_all(self) -> None:
        self.apis.stop_all()
        assert self.apis.served == []

    @rule(name=name)
    def set_default(self, name: str) -> None:
        self.attempt(lambda: self.apis.set_default(name))

    # -- what happens to it

    @rule(name=name, state=st.sampled_from(["FATAL", "EXITED"]))
    def gateway_dies(self, name: str, state: str) -> None:
        if slot := self.apis.api(name).slots.link.serving_slot():
            self.supervisors[name].states[slot] = state  # type: ignore[assignment]

    @rule(name=name)
    def notebook_breaks(self, name: str) -> None:
        def fail(slot: str) -> None:
            folder = self.apis.api(name).dir
            if not self.storage.is_full:
                write_json(folder.slot_failure(slot), FAILURE)
            self.supervisors[name].states[slot] = "EXITED"

        self.supervisors[name].on_start = fail

    @rule(name=name)
    def notebook_is_mended(self, name: str) -> None:
        self.supervisors[name].on_start = lambda _: None

    @rule(full=st.booleans())
    def disk_fills(self, full: bool) -> None:
        self.storage.is_full = full

    @rule()
    def time_passes(self) -> None:
        """Each API's watcher looks once."""
        for api in self.apis.apis():
            api.backoff._pause = 0
            self.attempt(self.apis.recovery(api.name).poll)

    @rule(writes=st.integers(0, 12), name=name, change=st.sampled_from(["start", "restart", "stop", "set_default"]))
    def control_app_is_killed(self, writes: int, name: str, change: str) -> None:
        self.storage.writes_until_kill = writes
        with suppress(Killed):
            self.attempt(lambda: getattr(self.apis, change)(name))
        self.new_control_app()

    @rule()
    def new_control_app(self) -> None:
        self.storage.writes_until_kill = None
        self.apis = Apis(self.folder, self.supervisors)
        with suppress(StorageError):
            self.apis.resume()

    @rule()
    def new_container(self) -> None:
        before = self.apis.serving
        shutil.rmtree(self.folder / "run")
        for each in NAMES:
            self.supervisors[each].states = dict.fromkeys(SLOTS, "STOPPED")
            self.supervisors[each].is_known = False
        self.new_control_app()
        if self.is_noted:
            assert self.apis.serving == before

    # -- what is always true

    @invariant()
    def links_lead_to_what_is_served(self) -> None:
        for link in self.apis.run.api_links.iterdir():
            project = project_behind(link)
            assert project in self.apis.serving.apis
            assert slug(str(project)) == link.name

    @invariant()
    def no_two_have_one_address(self) -> None:
        addresses = [slug(each) for each in self.apis.serving.apis]
        assert len(addresses) == len(set(addresses))

    @invariant()
    def the_default_link_leads_to_the_default_api(self) -> None:
        link, default = self.apis.run.default_link, self.apis.serving.default
        assert default is None or default in self.apis.serving.apis
        if default and self.apis.run.api_link(default).is_symlink():
            assert link.is_symlink()
        if link.is_symlink():
            assert default
            assert Path(link.parent / link.readlink()) == self.apis.run.api_link(default)

    @invariant()
    def files_say_what_is_served(self) -> None:
        """Once something is written after the disk has been full."""
        files = (self.apis.routes.file.file, self.apis.routes.file.lasting)
        noted = self.apis.serving.to_json()
        contents = [read_json(file) for file in files if file.exists()]
        if self.storage.is_full:
            self.is_noted = False
        elif all(content == noted for content in contents):
            self.is_noted = True
        assert not self.is_noted or all(json.dumps(content) == json.dumps(noted) for content in contents)

    @invariant()
    def states_are_those_of_the_programs(self) -> None:
        for each in NAMES:
            status, api = self.apis.status(each), self.apis.api(each)
            supervisor = self.supervisors[each]
            running = [slot for slot in SLOTS if supervisor.states[slot] == "RUNNING"]
            assert running in ([], [api.slots.link.serving_slot()]), "one at most, and callers reach it"
            assert (status.state == "serving") == bool(running)
            assert status.busy is None
            if status.state == "stopped":
                assert each not in self.apis.serving.apis
            if each in self.apis.serving.apis and not running:
                assert status.retry is not None
            assert not running or supervisor.is_known

    @invariant()
    def what_is_served_is_shown(self) -> None:
        assert set(self.apis.serving.apis) <= {status.notebook for status in self.apis.statuses()}


# Without shrinking, which would take minutes for a step that waits.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
Life.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None, phases=PHASES)
TestLife = Life.TestCase
