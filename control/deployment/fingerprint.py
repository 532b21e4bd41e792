"""Fingerprints of notebooks: of their code, in its order, and of the kernel that runs it."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from control.projects.regular_file import open_regular

# Seconds: the coarsest time stamps of file systems in use, SMB's and FAT's. That soon after a change, a second one
# may leave the file's stamp and size as they are.
SETTLE_TIME = 2.0


def fingerprint(data: bytes) -> str | None:
    """A hash of a notebook's code and its kernel's name; None where the data is no JSON, or nested too deeply.

    Not of outputs, other metadata, Markdown and the blank cell that Jupyter adds at the end: a restart would lose
    what the kernel has in memory for nothing.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        return None
    try:
        return _digest(json.dumps(_code(content)).encode())
    except (LookupError, TypeError, AttributeError):  # not a notebook: its start reports the error
        return _digest(data)


def _code(content: Any) -> list[str]:
    sources = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    kernel = content.get("metadata", {}).get("kernelspec", {}).get("name", "python3")
    return [kernel, *(source for source in sources if source.strip())]


def _digest(data: bytes) -> str:
    return hashlib.blake2s(data, digest_size=16).hexdigest()


def file_fingerprint(notebook: Path) -> str | None:
    """The fingerprint of a file's content now, also of one that is no JSON; None without a regular file."""
    try:
        with open_regular(notebook) as file:
            data = file.read()
    except OSError:
        return None
    return fingerprint(data) or _digest(data)


class NotebookFile:
    """A notebook file that is polled, and read only when it may have changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.code: str | None = None
        self.stamp: tuple[int, int, int] | None = None
        self.changed_at = 0.0  # monotonic
        self.is_settled = False

    def poll(self) -> str | None:
        """The fingerprint; None where there is no regular file, or one that is still being written.

        A file that is no JSON for longer than a save takes, such as one with a merge conflict, has one too.
        """
        try:
            # Opened and not just stat'ed: only an open makes NFS revalidate its cache.
            with open_regular(self.path) as file:
                stat = os.fstat(file.fileno())
                stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                if stamp != self.stamp:
                    self.stamp, self.changed_at, self.is_settled = stamp, time.monotonic(), False
                if not self.is_settled:
                    self.is_settled = time.monotonic() - self.changed_at > SETTLE_TIME
                    data = file.read()
                    self.code = fingerprint(data) or (_digest(data) if self.is_settled else None)
        except OSError:
            self.stamp = self.code = None
        return self.code
