"""Finds projects: folders below NOTEBOOK_DIR that have a `server.ipynb`."""

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from control.config.errors import NoDefaultProject, UnknownProject
from control.projects.regular_file import is_regular, open_regular

NOTEBOOK = "server.ipynb"
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

    def code_cell(self, number: int | None) -> str | None:
        """The source of the code cell with that number, from 1; None where there is none."""
        if number is None:
            return None
        try:
            with open_regular(self.notebook) as file:
                cells = json.load(file)["cells"]
            sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
            return "".join(sources[number - 1])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None


def find_all(notebook_dir: Path) -> list[Project]:
    """All projects at any depth, sorted by name."""
    root, projects = notebook_dir.resolve(), []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not _is_ignored(name)]
        notebook = Path(folder) / NOTEBOOK
        if NOTEBOOK in files and Path(folder) != root:
            with suppress(OSError):  # it was deleted just now
                if is_regular(notebook):
                    projects.append(Project(str(Path(folder).relative_to(root)), notebook))
    return sorted(projects, key=lambda project: project.name)


class Listing:
    """All projects, cached for callers that ask every second, as the tree may be large."""

    TTL_FACTOR = 20  # the cache is valid for so many times the duration of the walk
    MAX_TTL = 5.0  # seconds

    def __init__(self, notebook_dir: Path) -> None:
        self.notebook_dir = notebook_dir
        self._names: list[str] = []
        self._read_only: list[str] = []
        self.expires_at = 0.0
        self.lock = threading.Lock()

    def names(self) -> list[str]:
        with self.lock:
            self._refresh()
            return self._names

    def read_only(self) -> list[str]:
        """The names of those that cannot be saved."""
        with self.lock:
            self._refresh()
            return self._read_only

    def _refresh(self) -> None:
        start = time.monotonic()
        if start >= self.expires_at:
            projects = find_all(self.notebook_dir)
            self._names = [project.name for project in projects]
            self._read_only = [project.name for project in projects if project.is_read_only]
            now = time.monotonic()
            self.expires_at = now + min(self.TTL_FACTOR * (now - start), self.MAX_TTL)

    def invalidate(self) -> None:
        """Walk the tree at the next call: there is a new project."""
        self.expires_at = 0.0


def find(notebook_dir: Path, name: str) -> Project:
    """The project of that name, or of `<name>/server.ipynb`; raises UnknownProject.

    Never one outside NOTEBOOK_DIR: neither by `..`, an absolute path or a URL, nor through a symlink in any
    part of the path.
    """
    folder = name.removesuffix(f"/{NOTEBOOK}").strip("/") if not name.startswith("/") else ""
    if is_valid_name(folder):
        path = notebook_dir.resolve() / folder / NOTEBOOK
        with suppress(OSError):  # a name that is too long
            if path.resolve() == path:
                if is_regular(path):
                    return Project(folder, path)
                raise UnknownProject(f"{name} cannot be served: its {NOTEBOOK} is no regular file. Replace it.")
    names = ", ".join(project.name for project in find_all(notebook_dir)) or "none yet"
    raise UnknownProject(f"There is no project {name!r}. The projects are: {names}.")


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


def is_valid_name(name: str) -> bool:
    """Whether a project can have that name: no part of it is empty, hidden or ignored."""
    return all(part and not _is_ignored(part) for part in name.split("/"))


def _is_ignored(name: str) -> bool:
    # Hidden: .ipynb_checkpoints, .git, and also `.` and `..`. Names that are not UTF-8, or have a line break,
    # can be neither displayed nor sent in a URL.
    return name.startswith(".") or name in IGNORED or not name.isprintable()
