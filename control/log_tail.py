"""The last lines of a log file that may be large."""

import os
from pathlib import Path

BLOCK = 64 * 1024


def last_lines(path: Path, count: int) -> str:
    """The last `count` lines; empty where there is no file yet. Reads only the end of the file."""
    data = b""
    try:
        with path.open("rb") as log:
            position = log.seek(0, os.SEEK_END)
            while position > 0 and data.count(b"\n") <= count:
                step = min(BLOCK, position)
                position = log.seek(position - step)
                data = log.read(step) + data
    except FileNotFoundError:
        return ""
    lines = data.decode(errors="replace").splitlines(keepends=True)
    return "".join(lines[-count:]) if count else ""
