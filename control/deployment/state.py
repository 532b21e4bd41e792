"""What the control app keeps in files, so that it may be killed and started again."""

from contextlib import suppress
from pathlib import Path

from control.config.run_dir import RunDir, read_json, write_json


class LastServed:
    """The project to serve again after a restart of the stack: beside the notebooks, in `.serving`."""

    def __init__(self, notebook_dir: Path) -> None:
        self.file = notebook_dir / ".serving"

    def name(self) -> str | None:
        """The project that was served last, unless it was stopped."""
        with suppress(OSError, UnicodeDecodeError):
            return self.file.read_text(encoding="utf-8").strip() or None
        return None

    def remember(self, name: str | None) -> None:
        """Note what is served now; None: nothing."""
        with suppress(OSError):  # a read-only folder of notebooks is served all the same
            if name:
                self.file.write_text(f"{name}\n", encoding="utf-8")
            else:
                self.file.unlink(missing_ok=True)


class ReloadSwitch:
    """Whether a save restarts what is served: as RELOAD says, until somebody turns the switch."""

    def __init__(self, run: RunDir, default: bool) -> None:
        self.file = run.reload
        self.default = default

    def is_on(self) -> bool:
        kept = read_json(self.file)
        return kept if isinstance(kept, bool) else self.default

    def set(self, on: bool) -> None:
        write_json(self.file, on)
