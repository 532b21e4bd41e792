"""The environments of projects: those with a `requirements.txt` have one of their own, the others share one."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from control.config.errors import NotebookFailure, NotReady, StorageError
from control.config.settings import Settings
from control.environments import command, storage
from control.environments.environment import Environment
from control.environments.requirements import REQUIREMENTS, digest
from control.environments.shared import SHARED, create_shared, find_shared
from control.projects import catalog
from control.projects.catalog import Project

MAX_OUTPUT = 16 * 1024  # characters of an installer's output in an error
PIP = ["-m", "pip", "install", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]


class ProjectEnvironments:
    """Finds, makes and removes them. `say` prints a line to the log."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.folder = settings.notebook_dir / ".envs"
        self.say = say
        self.busy: str | None = None  # what is being installed

    def find(self, project: Project) -> Environment:
        """The project's environment, whether it is whole or not; raises NotebookFailure."""
        return self._find_own(project) or find_shared(self.settings)

    def _find_own(self, project: Project) -> Environment | None:
        requirements = project.notebook.parent / REQUIREMENTS
        try:
            if not requirements.is_file():  # as a FIFO, whose read would not return
                return None
            return Environment(self.folder / digest(requirements))
        except OSError as error:
            reason = f"its {REQUIREMENTS} cannot be read: {error.strerror}"
            raise _failure(project, reason) from error

    def find_whole(self, project: Project) -> Environment:
        """The project's environment if that is whole; raises NotebookFailure, NotReady."""
        environment = self._find_own(project)
        if environment and not storage.is_whole(environment):
            hint = "Start its API, or open its notebook, which installs them."
            raise NotReady(f"The packages of {project.name} are not installed yet. {hint}")
        return environment or find_shared(self.settings)

    def provide(self, project: Project, check: Callable[[], None] = lambda: None) -> Environment:
        """The project's environment, which is made now if it is not whole.

        Raises NotebookFailure with the installer's words, NotReady after INSTALL_TIMEOUT, StorageError, and what
        `check` raises, which is called again and again.
        """
        environment = self._find_own(project)
        if not environment:
            return self._provide_shared()
        if storage.is_whole(environment):
            return environment
        deadline = time.monotonic() + self.settings.install_timeout
        self.busy = f"Installing the packages of {project.name}."
        try:
            with storage.lock(environment.path, deadline, check) as lock:
                if not storage.is_whole(environment):  # another start has not made it meanwhile
                    self._make(project, environment, lock, deadline, check)
        except TimeoutError:
            limit = f"{self.settings.install_timeout} s (INSTALL_TIMEOUT)"
            raise NotReady(f"The packages of {project.name} were not installed within {limit}.") from None
        except OSError as error:
            raise StorageError(f"{environment.path} cannot be written: {error.strerror}.") from error
        finally:
            self.busy = None
        return environment

    def _provide_shared(self) -> Environment:
        """Created anew if somebody has deleted it; raises StorageError."""
        environment = find_shared(self.settings)
        if not environment.python.exists():
            try:
                create_shared(self.settings)
            except OSError as error:
                raise StorageError(f"{environment.path} cannot be written: {error.strerror}.") from error
        return find_shared(self.settings)

    def renew(self, project: Project) -> None:
        """Remove all that is installed in the project's environment; its next start makes its own anew.

        Raises NotebookFailure, NotReady where it is just being made, StorageError.
        """
        environment = self._find_own(project)
        try:
            if environment:
                with storage.lock(environment.path, time.monotonic(), lambda: None):
                    storage.clear(environment.path)
            else:
                storage.clear(find_shared(self.settings).path)
                if not create_shared(self.settings):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except TimeoutError:
            raise NotReady(f"The packages of {project.name} are just being installed. Try again later.") from None
        except OSError as error:
            raise StorageError(f"The environment cannot be made anew: {error.strerror}.") from error

    def _make(
        self, project: Project, environment: Environment, lock: int, deadline: float, check: Callable[[], None]
    ) -> None:
        """Make it whole, or leave nothing of it."""
        output: list[str] = []

        def say(line: str) -> None:
            output.append(line)
            self.say(f"[pip] {line}")

        self.say(f"[pip] Installing the packages of {project.name}.")
        try:
            storage.clear(environment.path)  # what a start that was killed has left
            environment.create()
            status = command.run(
                [environment.python, *PIP, "--root-user-action=ignore", "-r", REQUIREMENTS],
                folder=project.notebook.parent,
                environ={**os.environ, **environment.variables()},
                inherit=lock,  # so that it is also held by an installer whose parent was killed
                timeout=deadline - time.monotonic(),
                say=say,
                check=check,
            )
            if status:
                raise _failure(project, f"its packages cannot be installed: {_reason(output)}", output)
            storage.write_resolved(environment)
        except BaseException:
            storage.clear(environment.path)
            raise

    def remove_unused(self, used: Collection[str]) -> None:
        """Remove those that no project's requirements name any more, are not in `used`, and in which nothing runs."""
        unused: set[Path] = set()
        with suppress(OSError):
            unused = {path for path in self.folder.iterdir() if str(path) not in used and path.name != SHARED}
        if unused:  # the rest takes a walk through all folders, and a look at all processes
            unused -= {environment.path for environment in self._named()}
            unused -= storage.find_running(unused)
        for path in unused:
            storage.clear(path)
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():  # as on a volume that is mounted read-only
                continue
            self.say(f"{path} is removed: no project's {REQUIREMENTS} asks for it any more.")

    def _named(self) -> Iterator[Environment]:
        for project in catalog.find_all(self.settings.notebook_dir):
            with suppress(NotebookFailure):
                yield self.find(project)


def _reason(output: list[str]) -> str:
    """The installer's own words: its errors, or else its last line."""
    errors = [line.strip().removeprefix("ERROR: ") for line in output if line.lstrip().lower().startswith("error:")]
    return " ".join(errors or output[-1:])


def _failure(project: Project, reason: str, output: list[str] | None = None) -> NotebookFailure:
    text = "\n".join(output or [])
    details = {"cell": None, "line": None, "name": "PackagesNotInstalled", "value": reason}
    return NotebookFailure(f"{project.name} does not run: {reason}", {**details, "traceback": text[-MAX_OUTPUT:]})
