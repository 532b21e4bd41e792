"""Finds projects: folders below NOTEBOOK_DIR that have a `server.ipynb` or a `server.py`."""

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from control.config.errors import NoDefaultProject, UnknownProject
from control.projects.regular_file import is_regular

TEXT_NOTEBOOK = "server.py"  # in jupytext's percent format
NOTEBOOKS = ("server.ipynb", TEXT_NOTEBOOK)  # the first one counts where both are there
# Folders without projects that may have a hundred thousand files.
IGNORED = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True)
class Project:
    """A project: `name` is its folder's path below NOTEBOOK_DIR, such as `a/b`."""

    name: str
    notebook: Path

    @property
    def is_read_only(self) -> bool:
        """Whether Jupyter, which runs as this user, cannot save it: it writes a copy beside the file first."""
        folder = self.notebook.parent
        return not (
            os.access(self.notebook, os.W_OK, effective_ids=True)
            and os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
        )

    @property
    def ignores_text(self) -> bool:
        """Whether it has a `server.py` too, which does not count."""
        return notebook_in(self.notebook.parent, [TEXT_NOTEBOOK]) not in (self.notebook, None)


def notebook_in(folder: Path, names: Iterable[str] = NOTEBOOKS) -> Path | None:
    """The folder's notebook: the first of the names that is a file, and neither a symlink nor anything else."""
    for name in names:
        with suppress(OSError):
            if is_regular(folder / name):
                return folder / name
    return None


def find_all(notebook_dir: Path) -> list[Project]:
    """All projects at any depth, sorted by name."""
    root, projects = notebook_dir.resolve(), []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not _is_ignored(name)]
        found = [name for name in NOTEBOOKS if name in files]
        if Path(folder) != root and (notebook := notebook_in(Path(folder), found)):
            projects.append(Project(str(Path(folder).relative_to(root)), notebook))
    return sorted(projects, key=lambda project: project.name)


class Listing:
    """All projects, cached for callers that ask every second, as the tree may be large."""

    TTL_FACTOR = 20  # the cache is valid for so many times the duration of the walk
    MAX_TTL = 5.0  # seconds

    def __init__(self, notebook_dir: Path) -> None:
        self.notebook_dir = notebook_dir
        self._files: dict[str, str] = {}
        self._read_only: list[str] = []
        self._with_both: list[str] = []
        self.expires_at = 0.0
        self.lock = threading.Lock()

    def files(self) -> dict[str, str]:
        """The name of each one's notebook, by its own name."""
        with self.lock:
            self._refresh()
            return self._files

    def read_only(self) -> list[str]:
        """The names of those that cannot be saved."""
        with self.lock:
            self._refresh()
            return self._read_only

    def with_both(self) -> list[str]:
        """The names of those that have a `server.py` which does not count."""
        with self.lock:
            self._refresh()
            return self._with_both

    def _refresh(self) -> None:
        start = time.monotonic()
        if start >= self.expires_at:
            projects = find_all(self.notebook_dir)
            self._files = {project.name: project.notebook.name for project in projects}
            self._read_only = [project.name for project in projects if project.is_read_only]
            self._with_both = [project.name for project in projects if project.ignores_text]
            now = time.monotonic()
            self.expires_at = now + min(self.TTL_FACTOR * (now - start), self.MAX_TTL)

    def invalidate(self) -> None:
        """Walk the tree at the next call: there is a new project."""
        self.expires_at = 0.0


def find(notebook_dir: Path, name: str) -> Project:
    """The project of that name, or of `<name>/server.ipynb` or `.py`; raises UnknownProject.

    Never one outside NOTEBOOK_DIR: neither by `..`, an absolute path or a URL, nor through a symlink in any
    part of the path.
    """
    folder = folder_name(name)
    if is_valid_name(folder):
        path = notebook_dir.resolve() / folder
        with suppress(OSError):  # a name that is too long
            if path.resolve() == path:
                if notebook := notebook_in(path):
                    return Project(folder, notebook)
                if other := next((file for file in NOTEBOOKS if os.path.lexists(path / file)), None):
                    raise UnknownProject(f"{name} cannot be served: its {other} is no regular file. Replace it.")
    names = ", ".join(project.name for project in find_all(notebook_dir)) or "none yet"
    raise UnknownProject(f"There is no project {name!r}. The projects are: {names}.")


def folder_name(name: str) -> str:
    """The project's own name where it is given as a folder or a file, such as `shop/` or `shop/server.ipynb`."""
    parent, _, last = name.rpartition("/")
    return (parent if last in NOTEBOOKS else name).rstrip("/")


def find_default(notebook_dir: Path, last: str | None) -> Project:
    """The project that a start means that names none: the `last` one, else the only one, else hello_world.

    Raises NoDefaultProject.
    """
    projects = {project.name: project for project in find_all(notebook_dir)}
    only = next(iter(projects)) if len(projects) == 1 else None
    for name in (last, only, "hello_world"):
        if name in projects:
            return projects[name]
    names = ", ".join(projects) or "none yet"
    raise NoDefaultProject(f"Name a project: start?notebook=<project>. The projects are: {names}.")


def names_in(setting: str | None) -> list[str]:
    """The projects in SERVE, separated by commas, each of them once."""
    names = (folder_name(name.strip()) for name in (setting or "").split(","))
    return list(dict.fromkeys(filter(None, names)))


def is_valid_name(name: str) -> bool:
    """Whether a project can have that name: no part of it is empty, hidden or ignored."""
    return all(part and not _is_ignored(part) for part in name.split("/"))


def _is_ignored(name: str) -> bool:
    # Hidden: .ipynb_checkpoints, .git, and also `.` and `..`. Names that are not UTF-8, or have a line break,
    # can be neither displayed nor sent in a URL.
    return name.startswith(".") or name in IGNORED or not name.isprintable()
