"""All APIs: which projects are served, and which of them is the default one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from control.config.errors import NothingToRestart
from control.config.run_dir import RunDir, noted_project, slug
from control.config.settings import Settings
from control.deployment.api import Api
from control.deployment.routes import Routes
from control.deployment.serving_link import conflict
from control.deployment.state import ReloadSwitch, Serving
from control.deployment.status import Status
from control.projects import catalog
from control.projects.catalog import Project

MAX_ASKED = 32  # APIs whose status is asked for at the same time


class Deployment:
    """Each API makes its changes by itself: a start of one waits for no other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run = RunDir(settings.run_dir)
        self.listing = catalog.Listing(settings.notebook_dir)
        self.routes = Routes(settings)
        self.reload = ReloadSwitch(self.run.reload, lambda: settings.reload)
        self.last_saved: str | None = None  # the project that was restarted by a save last
        self.lock = threading.Lock()  # held while it changes which APIs are known
        self.pool = ThreadPoolExecutor(MAX_ASKED)
        self._apis: dict[str, Api] = {}
        folders = self.run.slots.glob("*")  # after a crash of the control app
        for name in [*self.serving.apis, *map(noted_project, folders)]:
            if name:
                self.api(name)

    @property
    def serving(self) -> Serving:
        """What should be served."""
        return self.routes.serving

    def api(self, name: str) -> Api:
        """The API of a project, whether it is served or not."""
        with self.lock:
            if name not in self._apis:
                self._apis[name] = Api(name, self.settings, self.reload, lambda: name in self.serving.apis)
            return self._apis[name]

    def known_name(self, name: str) -> str:
        """The name of a project, also of one that is served and whose folder is gone. Raises UnknownProject."""
        return name if name in self._apis else catalog.find(self.settings.notebook_dir, name).name

    def known_apis(self) -> list[Api]:
        """Those that are or were served, or were to be; sorted by name."""
        with self.lock:
            return sorted(self._apis.values(), key=lambda api: api.name)

    def apis(self) -> list[Api]:
        """Those that should be served, that are being started, or whose last start failed; sorted by name."""
        return [api for api in self.known_apis() if api.is_of_interest()]

    def find_api(self, name: str | None = None) -> Api | None:
        """The API of that name; without a name the default one, else that whose start is running or failed last."""
        if name or (name := self.serving.default):
            return self.api(name)
        return self._newcomer()

    def _newcomer(self) -> Api | None:
        """The API that is not served, and whose start is running, or else failed last."""
        serving = self.serving
        apis = [api for api in self.apis() if api.name not in serving.apis]
        return max(apis, key=lambda api: (bool(api.busy), _modified(api)), default=None)

    def find_log(self, name: str | None = None) -> Path:
        """The log of that project's API; there may be no such file.

        Without a name it is where a person looks: that of the start that is running or has failed, of which the status
        tells too; else that of the API that is the default, or was it last.
        """
        if not name:
            newcomer = self._newcomer()
            name = newcomer.name if newcomer else self.serving.last_default
        return self.run.api(name or "").log  # no project has an empty name

    def status(self, name: str | None = None) -> Status:
        """The status of that API; without a name as for `find_api`. Raises SupervisorError.

        Without a name it also says what is being started beside the default API, or has failed to.
        """
        api = self.find_api(name)
        status = api.status(is_default=api.name == self.serving.default) if api else Status(reload=self.reload.is_on())
        newcomer = None if name else self._newcomer()
        if not newcomer:
            return status
        busy = newcomer.slots.environments.busy or newcomer.busy
        return replace(status, busy=status.busy or busy, last_error=status.last_error or newcomer.last_error())

    def statuses(self) -> list[Status]:
        """Those of all APIs, which are asked at the same time: some may not respond. Raises SupervisorError."""
        default = self.serving.default
        return list(self.pool.map(lambda api: api.status(is_default=api.name == default), self.apis()))

    def start(self, name: str | None = None) -> Status:
        """Serve a project; returns once it is ready. Does nothing for one that is served already.

        Without a name: the default one, else catalog.find_default. It becomes the default if there is none. Raises
        UnknownProject, NoDefaultProject, ProjectConflict, NotebookFailure, NotReady, CancelledStart.
        """
        serving = self.serving
        if name is None:
            if serving.default and (status := self.status(serving.default)).state == "serving":
                return status
            name = serving.default or catalog.find_default(self.settings.notebook_dir, serving.last_default).name
        project = self._find(name)
        self.api(project.name).start(project, self.routes.publisher(project.name, lambda serving: not serving.default))
        return self._started(project.name)

    def restart(self, name: str | None = None) -> Status:
        """Start a project in place of what it serves, which serves until the new one is ready.

        Without a name: the default one. One that was not served becomes the default. Raises UnknownProject,
        NothingToRestart, ProjectConflict, NotebookFailure, NotReady, CancelledStart, after which all is served as
        before.
        """
        if name is None:
            api = self.find_api()
            if api is None:
                what = (
                    f"Served are: {', '.join(self.routes.reachable)}"
                    if self.routes.reachable
                    else "Nothing is being served"
                )
                raise NothingToRestart(f"{what}. Name a project: restart?notebook=<project>.")
            name = api.name
        project = self._find(name)
        is_new = project.name not in self.serving.apis
        default = self.serving.default if is_new and self.status(self.serving.default).state == "serving" else None
        self.api(project.name).restart(project, self.routes.publisher(project.name, lambda _: is_new), default)
        return self._started(project.name)

    def _find(self, name: str) -> Project:
        """Raises UnknownProject, and ProjectConflict for one whose address another has."""
        project = catalog.find(self.settings.notebook_dir, name)
        for other in self.serving.apis:
            if other != project.name and slug(other) == slug(project.name):
                raise conflict(other, project.name)
        return project

    def _started(self, name: str) -> Status:
        for api in self.apis():
            if api.name not in self.serving.apis and not api.busy:
                api.forget_error()
        return self.status(name)

    def set_default(self, name: str) -> Status:
        """Let a project answer at /invoke/ from now on; raises UnknownProject, NotServed, StorageError."""
        name = self.known_name(name)
        self.routes.set_default(name)
        return self.status(name)

    def set_reload(self, on: bool, name: str | None = None) -> None:
        """Whether a save restarts that API, or any; raises UnknownProject, StorageError."""
        if name:
            self.api(self.known_name(name)).set_reload(on)
            return
        self.reload.set(on)
        for api in self.known_apis():
            api.reload.forget()

    def stop(self, name: str) -> Status:
        """Stop serving a project, or cancel its start, and finish its requests; raises UnknownProject, NotReady."""
        name = self.known_name(name)
        api = self.api(name)
        with api.cut_off(lambda: self.routes.withdraw(name)):
            api.stop()
        return self.status(name)

    def stop_all(self) -> list[str]:
        """Stop all APIs at the same time; returns the names of those that were served. Raises NotReady."""
        served, apis = list(self.serving.apis), self.known_apis()
        with ExitStack() as stack, ThreadPoolExecutor(max(len(apis), 1)) as pool:
            for api in apis:
                stack.enter_context(api.cut_off(lambda name=api.name: self.routes.withdraw(name)))  # type: ignore[misc]
            list(pool.map(lambda api: api.stop(), apis))
        return served

    def resume(self) -> None:
        """Take over when the control app starts, also after a crash in a change. SupervisorError, StorageError."""
        for api in self.known_apis():
            api.resume()
            if api.slots.link.serving_slot() and not api.is_wanted():  # it was just cut over to
                self.routes.publisher(api.name, lambda serving: not serving.default)()
        self.routes.restore()


def _modified(api: Api) -> float:
    with suppress(OSError):
        return api.dir.last_error.stat().st_mtime
    return 0.0
