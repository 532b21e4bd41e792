"""Projects: every folder below NOTEBOOK_DIR that has a `server.ipynb`."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from control.config.errors import UnknownProject

NOTEBOOK = "server.ipynb"
# Trees that hold no projects and may hold a hundred thousand files.
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True)
class Project:
    """A project's name, its folder's path below NOTEBOOK_DIR such as `a/b`, and its notebook's path."""

    name: str
    notebook: Path

    def code_cell(self, number: int | None) -> str | None:
        """The text of the code cell with that number, from 1; None where the file has no such cell."""
        try:
            cells = json.loads(self.notebook.read_text(encoding="utf-8"))["cells"]
            sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
            return "".join(sources[number - 1]) if number else None
        except (OSError, ValueError, LookupError, TypeError):
            return None


def find_all(notebook_dir: Path) -> list[Project]:
    """All projects at any depth, sorted by name."""
    return sorted(_walk(notebook_dir), key=lambda project: project.name)


class Listing:
    """The names of all projects, for those who ask every second: a large tree is not walked each time."""

    SHARE = 20  # a walk's result holds so many times as long as the walk took
    LONGEST = 5.0  # seconds

    def __init__(self, notebook_dir: Path) -> None:
        self.notebook_dir = notebook_dir
        self.known: list[str] = []
        self.until = 0.0
        self.walking = threading.Lock()

    def names(self) -> list[str]:
        with self.walking:
            begun = time.monotonic()
            if begun >= self.until:
                self.known = [project.name for project in find_all(self.notebook_dir)]
                now = time.monotonic()
                self.until = now + min(self.SHARE * (now - begun), self.LONGEST)
            return self.known

    def invalidate(self) -> None:
        """Walk anew the next time: a project has come to be."""
        self.until = 0.0


def find(notebook_dir: Path, name: str) -> Project:
    """The project of that name, also given as `<name>/server.ipynb`; raises UnknownProject.

    Nothing outside NOTEBOOK_DIR is ever found: neither by `..`, an absolute path or a URL, nor through a
    symlink in any part of the path.
    """
    folder = name.removesuffix(f"/{NOTEBOOK}").strip("/") if not name.startswith("/") else ""
    if is_name(folder):
        root = notebook_dir.resolve()
        path = root / folder / NOTEBOOK
        if _is_file(path) and path.resolve() == path:
            return Project(folder, path)
    known = ", ".join(project.name for project in find_all(notebook_dir)) or "none yet"
    raise UnknownProject(f"There is no project {name!r}. The projects are: {known}.")


def is_name(name: str) -> bool:
    """Whether a project can have that name: no part of it is empty, hidden, or skipped when they are listed."""
    return all(part and not _skipped(part) for part in name.split("/"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _walk(notebook_dir: Path) -> Iterator[Project]:
    root = notebook_dir.resolve()
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not _skipped(name)]
        notebook = Path(folder) / NOTEBOOK
        if NOTEBOOK in files and Path(folder) != root and not notebook.is_symlink():
            yield Project(str(Path(folder).relative_to(root)), notebook)


def _skipped(name: str) -> bool:
    # Hidden folders hold no projects: .ipynb_checkpoints, .git, and `.` and `..` themselves.
    # Names that are not UTF-8, or hold a line break, cannot be shown, nor sent in a URL.
    return name.startswith(".") or name in SKIPPED or not name.isprintable()
