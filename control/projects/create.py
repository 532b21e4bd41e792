"""Creates projects from a template or an uploaded zip."""

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

DEFAULT_TEMPLATE = "hello_world"


class ProjectCreator:
    """Creates each project atomically, and never replaces another."""

    def __init__(self, settings: Settings) -> None:
        self.notebook_dir = settings.notebook_dir
        self.templates_dir = settings.shipped_dir or ROOT / "notebook"
        self.lock = threading.Lock()

    def templates(self) -> list[str]:
        """The names of the projects that ship with the product, the default one first."""
        names = [project.name for project in catalog.find_all(self.templates_dir)]
        return sorted(names, key=lambda name: (name != DEFAULT_TEMPLATE, name))

    def suggest_name(self, base: str) -> str:
        """`base`, with a number where that is taken."""
        names = chain([base], (f"{base}_{number}" for number in range(2, 1000)))
        return next((name for name in names if not (self.notebook_dir / name).exists()), base)

    def create_from_template(self, template: str, name: str) -> str:
        """Copy a template; returns the name. Raises UnknownProject, InvalidName, ProjectExists, StorageError."""
        if template not in self.templates():
            names = ", ".join(self.templates()) or "none"
            raise UnknownProject(f"There is no template {template!r}. The templates are: {names}.")
        with self._new_folder(name) as partial:
            copy_writable(self.templates_dir / template, partial)
        return name

    def create_from_zip(self, file: BinaryIO, name: str) -> str:
        """Unpack an archive; returns the project's name.

        Raises InvalidArchive, ArchiveTooLarge, InvalidName, ProjectExists, StorageError.
        """
        with self._new_folder(name) as partial:
            archive.unpack(file, partial)
        return name

    @contextmanager
    def _new_folder(self, name: str) -> Iterator[Path]:
        """The path of a folder to fill, which becomes the project's unless an exception is raised."""
        target = self._target(name)
        # Hidden: neither a project, nor listed in Jupyter.
        partial = self.notebook_dir / f".{secrets.token_hex(8)}.partial"
        try:
            yield partial
            with self.lock:
                self._target(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                partial.rename(target)
        except OSError as error:
            raise StorageError(f"{name} cannot be written to the notebooks' folder: {error.strerror}.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _target(self, name: str) -> Path:
        """The path of a new project; raises InvalidName, ProjectExists."""
        if not catalog.is_valid_name(name):
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
        except OSError as error:  # a name that is too long, a file in place of a folder
            raise InvalidName(f"{name[:100]!r} cannot be a project's name: {error.strerror}. Give another.") from None
        raise ProjectExists(f"There is something named {name} already. Give another name.")
