"""Projects that come to be by a click: from a template, or from an uploaded zip."""

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from control.config.errors import InvalidName, ProjectExists, StorageError, UnknownProject
from control.config.settings import ROOT, Settings
from control.projects import archive, catalog
from control.projects.bundled import copy_writable

FIRST = "hello_world"


class ProjectCreator:
    """Each is there as a whole or not at all, and never in place of another."""

    def __init__(self, settings: Settings) -> None:
        self.notebook_dir = settings.notebook_dir
        self.templates_dir = settings.shipped_dir or ROOT / "notebook"
        self.making = threading.Lock()

    def templates(self) -> list[str]:
        """The names of the projects that ship with the product, the one to begin with first."""
        names = [project.name for project in catalog.find_all(self.templates_dir)]
        return sorted(names, key=lambda name: (name != FIRST, name))

    def suggest_name(self, wanted: str) -> str:
        """`wanted`, or with a number where there is one already."""
        numbered = (f"{wanted}_{number}" for number in range(2, 1000))
        return next((name for name in chain([wanted], numbered) if not (self.notebook_dir / name).exists()), wanted)

    def create_from_template(self, template: str, name: str) -> str:
        """Copy a template; returns the name. Raises UnknownProject, InvalidName, ProjectExists, StorageError."""
        if template not in self.templates():
            known = ", ".join(self.templates()) or "none"
            raise UnknownProject(f"There is no template {template!r}. The templates are: {known}.")
        with self._made(name) as partial:
            copy_writable(self.templates_dir / template, partial)
        return name

    def create_from_zip(self, file: BinaryIO, name: str) -> str:
        """Unpack an archive; returns the project's name.

        Raises InvalidArchive, ArchiveTooLarge, InvalidName, ProjectExists, StorageError.
        """
        with self._made(name) as partial:
            archive.unpack(file, partial)
        return name

    @contextmanager
    def _made(self, name: str) -> Iterator[Path]:
        """A folder's path to fill, which becomes the project's if nothing is raised meanwhile."""
        target = self._free_place(name)
        # Hidden: no project, and not seen in Jupyter.
        partial = self.notebook_dir / f".{secrets.token_hex(8)}.partial"
        try:
            yield partial
            with self.making:
                self._free_place(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                partial.rename(target)
        except OSError as error:
            raise StorageError(f"{name} cannot be written to the notebooks' folder: {error.strerror}.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _free_place(self, name: str) -> Path:
        """Where a project of that name will lie; raises InvalidName, ProjectExists."""
        if not catalog.is_name(name):
            raise InvalidName(
                f"{name!r} cannot be a project's name. Give one such as my_api or team/my_api: "
                "no part of it hidden or empty."
            )
        root = self.notebook_dir.resolve()
        target = root / name
        if target.parent.resolve() != target.parent:
            raise InvalidName(f"{name!r} leads through a symlink. Give another name.")
        try:
            target.lstat()
        except FileNotFoundError:
            return target
        except OSError as error:  # a name that is too long, a file where a folder would have to be
            raise InvalidName(
                f"{name[:100]!r} cannot be a project's name: {error.strerror}. Give another name."
            ) from None
        raise ProjectExists(f"There is something named {name} already. Give another name.")
