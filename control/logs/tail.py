"""Reads the last lines of a log file that may be large."""

import os
from pathlib import Path

BLOCK = 64 * 1024


def last_lines(path: Path, count: int) -> str:
    """The last `count` lines, also of the file that was rotated before this one; empty where there is none yet.

    Reads only the ends of the files.
    """
    lines = _tail(path, count)
    return "".join(_tail(rotated_path(path), count - len(lines)) + lines)


def rotated_path(path: Path) -> Path:
    """The path of the log before this one (logging.handlers.RotatingFileHandler)."""
    return path.with_name(f"{path.name}.1")


def _tail(path: Path, count: int) -> list[str]:
    if count <= 0:
        return []
    data = b""
    try:
        with path.open("rb") as log:
            position = log.seek(0, os.SEEK_END)
            while position > 0 and data.count(b"\n") <= count:
                step = min(BLOCK, position)
                position = log.seek(position - step)
                data = log.read(step) + data
    except FileNotFoundError:
        return []
    return data.decode(errors="replace").splitlines(keepends=True)[-count:]
