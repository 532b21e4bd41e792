"""State of the deployment in files, so that it outlives the control app."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from control.config.errors import StorageError
from control.config.run_dir import RunDir, read_json, write_json
from control.projects.regular_file import open_regular


class Target:
    """The project that should be served: the one that was served last, unless the API was stopped.

    The file in the run directory is for this life of the stack; until there is one, SERVE (`default`) counts, and then
    `.serving` in the folder of notebooks, which becomes `.stopped` at a stop. A stop must succeed on a full disk too,
    so what was set is also in memory.
    """

    def __init__(self, run: RunDir, notebook_dir: Path, default: str | None) -> None:
        self.file = run.target
        self.content: dict[str, Any] | None = None
        self.default = default
        self.serving, self.stopped = notebook_dir / ".serving", notebook_dir / ".stopped"

    def load(self) -> str | None:
        """None: nothing should be served."""
        if content := self.content or read_json(self.file):
            return None if content["stopped"] else content["notebook"]
        return self.default or _read_name(self.serving)

    def load_last(self) -> str | None:
        """The same, also after a stop."""
        content = self.content or read_json(self.file) or {}
        return content.get("notebook") or self.default or _read_name(self.serving) or _read_name(self.stopped)

    def store(self, name: str) -> None:
        """Serve this from now on."""
        self._set(name, stopped=False)
        with suppress(OSError):  # a read-only folder of notebooks can be served too
            partial = self.serving.with_name(".serving.partial")
            partial.write_text(f"{name}\n", encoding="utf-8")
            partial.replace(self.serving)
            self.stopped.unlink(missing_ok=True)

    def clear(self) -> None:
        """Serve nothing from now on."""
        self._set(self.load_last(), stopped=True)
        with suppress(OSError):
            self.serving.replace(self.stopped)

    def _set(self, name: str | None, *, stopped: bool) -> None:
        self.content = {"notebook": name, "stopped": stopped}
        with suppress(StorageError):
            write_json(self.file, self.content)


def _read_name(file: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError), open_regular(file) as stream:
        return stream.read().decode().strip() or None
    return None


class ReloadSwitch:
    """Whether a save restarts the API: the setting RELOAD, until the switch is used."""

    def __init__(self, run: RunDir, default: bool) -> None:
        self.file = run.reload
        self.default = default

    def is_on(self) -> bool:
        value = read_json(self.file)
        return value if isinstance(value, bool) else self.default

    def set(self, on: bool) -> None:
        write_json(self.file, on)
