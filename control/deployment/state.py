"""State of the deployment in files, so that it outlives the control app."""

from contextlib import suppress
from pathlib import Path

from control.config.run_dir import RunDir, read_json, write_json


class LastProject:
    """The project to serve after a restart of the stack, in `.serving` in the folder of notebooks."""

    def __init__(self, notebook_dir: Path) -> None:
        self.file = notebook_dir / ".serving"

    def load(self) -> str | None:
        """The name of the project that was served last, unless the API was stopped."""
        with suppress(OSError, UnicodeDecodeError):
            return self.file.read_text(encoding="utf-8").strip() or None
        return None

    def store(self, name: str | None) -> None:
        """Store what is served now; None: nothing."""
        with suppress(OSError):  # a read-only folder of notebooks can be served too
            if name:
                self.file.write_text(f"{name}\n", encoding="utf-8")
            else:
                self.file.unlink(missing_ok=True)


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
