"""What decides how a notebook answers: its code, in its order, and the kernel that runs it."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

# The coarsest time stamps of file systems in use, SMB's and FAT's: after a file was changed, a second change
# may leave its stamp and its size as they are for so long.
SETTLED = 2.0  # seconds


def fingerprint(data: bytes) -> str | None:
    """Changes when a notebook's code or its kernel does; None where the data is no JSON.

    Outputs, other metadata, Markdown and the blank cell that Jupyter adds at the end make no difference: a
    restart would lose what the kernel has in memory for nothing.
    """
    try:
        content = json.loads(data)
    except ValueError:  # bytes that are not UTF-8 too
        return None
    try:
        return _digest(json.dumps(_what_runs(content)).encode())
    except (LookupError, TypeError, AttributeError):  # not a notebook: its start will tell what is wrong
        return _digest(data)


def _what_runs(content: Any) -> list[str]:
    sources = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    kernel = content.get("metadata", {}).get("kernelspec", {}).get("name", "python3")
    return [kernel, *(source for source in sources if source.strip())]


def _digest(data: bytes) -> str:
    return hashlib.blake2s(data, digest_size=16).hexdigest()


def code_of(notebook: Path) -> str | None:
    """The fingerprint of a notebook file as it is now, also of one that is no JSON; None without a file."""
    try:
        data = notebook.read_bytes()
    except OSError:
        return None
    return fingerprint(data) or _digest(data)


class NotebookFile:
    """A notebook whose fingerprint is asked for again and again: read only when it may have changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.code: str | None = None
        self.stamp: tuple[int, int, int] | None = None
        self.since = 0.0
        self.is_settled = False

    def look(self) -> str | None:
        """The fingerprint; None where there is no file, or one that is still being written.

        A file that is no JSON for longer than a save takes, say with a merge conflict in it, has one too.
        """
        try:
            # Opened, and not just asked for its stamp: only then does NFS ask its server.
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                stamp = (about.st_ino, about.st_size, about.st_mtime_ns)
                if stamp != self.stamp:
                    self.stamp, self.since, self.is_settled = stamp, time.monotonic(), False
                if not self.is_settled:
                    self.is_settled = time.monotonic() - self.since > SETTLED
                    self._read(file.read())
        except OSError:
            self.stamp = self.code = None
        return self.code

    def _read(self, data: bytes) -> None:
        self.code = fingerprint(data)
        if self.code is None and self.is_settled:
            self.code = _digest(data)
