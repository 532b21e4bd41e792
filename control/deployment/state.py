"""State of the deployment in files, so that it outlives the control app."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from control.config.errors import StorageError
from control.config.run_dir import RunDir, read_json, write_json
from control.projects.catalog import is_valid_name
from control.projects.regular_file import open_regular

MAX_BYTES = 1_000_000  # of `.serving.json`, which has a line for each API


@dataclass(frozen=True)
class Serving:
    """What should be served: projects' names in the order of their starts, and which of them is the default.

    `last_default` is the one that is the default, or was it last.
    """

    apis: tuple[str, ...] = ()
    default: str | None = None
    last_default: str | None = None

    @classmethod
    def of(cls, names: list[str]) -> Self:
        """These projects, of which the first is the default."""
        default = names[0] if names else None
        return cls(tuple(dict.fromkeys(names)), default, default)

    def add(self, name: str, *, is_default: bool) -> "Serving":
        default = name if is_default else self.default
        return Serving((*(each for each in self.apis if each != name), name), default, default or self.last_default)

    def remove(self, name: str) -> "Serving":
        if name not in self.apis:
            return self
        apis = tuple(each for each in self.apis if each != name)
        return Serving(apis, None if name == self.default else self.default, self.last_default or name)

    def to_json(self) -> dict[str, Any]:
        """{"default", "last_default": names or null, "apis": {name: {}}}."""
        return {"default": self.default, "last_default": self.last_default, "apis": {name: {} for name in self.apis}}

    @classmethod
    def from_json(cls, content: Any) -> Self | None:
        """None where it is none."""
        if not isinstance(content, dict) or not isinstance(content.get("apis"), dict):
            return None
        names = [content.get(key) for key in ("default", "last_default")]
        default, last_default = (name if isinstance(name, str) and is_valid_name(name) else None for name in names)
        apis = tuple(filter(is_valid_name, content["apis"]))  # a person may have edited the file
        return cls(apis, default if default in apis else None, last_default)


class ServingFile:
    """What should be served, as the last change has left it.

    The file in the run directory is for this life of the stack; until there is one, SERVE (`initial`) counts, and then
    `.serving.json` in the folder of notebooks. A stop must succeed on a full disk too, so what was set is also in
    memory. Not thread-safe: the deployment has a lock for changes.
    """

    def __init__(self, run: RunDir, notebook_dir: Path, initial: list[str]) -> None:
        self.file = run.serving
        self.lasting = notebook_dir / ".serving.json"
        # Of versions that served one project: its name is in one of these files.
        self.old_serving, self.old_stopped = notebook_dir / ".serving", notebook_dir / ".stopped"
        self.initial = Serving.of(initial) if initial else None
        self.content: Serving | None = None
        self.warnings: set[str] = set()

    def load(self) -> Serving:
        if self.content is None:
            self.content = Serving.from_json(read_json(self.file)) or self.initial or self._load_lasting()
        return self.content

    def store(self, content: Serving) -> None:
        self.content = content
        with suppress(StorageError):
            write_json(self.file, content.to_json())
        try:  # a read-only folder of notebooks can be served too
            write_json(self.lasting, content.to_json())
            for old in (self.old_serving, self.old_stopped):
                old.unlink(missing_ok=True)
        except (StorageError, OSError) as error:
            self._warn(f"{error} A new container will not serve what is served now, unless SERVE names it.")

    def _load_lasting(self) -> Serving:
        if os.path.lexists(self.lasting):
            content = _parse(_read(self.lasting))
            serving = Serving.from_json(content)
            if serving is None or len(serving.apis) < len(content["apis"]):
                self._warn(f"{self.lasting} was changed, and is not all understood. Start what is missing.")
            return serving or Serving()
        if name := (_read(self.old_serving) or "").strip():
            return Serving.of([name])
        return Serving(last_default=(_read(self.old_stopped) or "").strip() or None)

    def _warn(self, text: str) -> None:
        """Print it, once."""
        if text not in self.warnings:
            self.warnings.add(text)
            with suppress(OSError):  # nobody may read the output any more
                print(f"warning: {text}", flush=True)


def _parse(text: str | None) -> Any:
    """The JSON; None where it is none."""
    with suppress(TypeError, ValueError, RecursionError):
        return json.loads(text)  # type: ignore[arg-type]
    return None


def _read(file: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError), open_regular(file) as stream:
        return stream.read(MAX_BYTES).decode()
    return None


class ReloadSwitch:
    """Whether a save restarts an API; until the switch is used, as `default` says. Its file is for the next process."""

    def __init__(self, file: Path, default: Callable[[], bool]) -> None:
        self.file = file
        self.default = default
        value = read_json(file)
        self.value = value if isinstance(value, bool) else None

    def is_on(self) -> bool:
        return self.default() if self.value is None else self.value

    def set(self, on: bool) -> None:
        """Raises StorageError."""
        write_json(self.file, on)
        self.value = on

    def forget(self) -> None:
        """As if it was never used."""
        self.file.unlink(missing_ok=True)
        self.value = None
