"""Fingerprints of notebooks: of their code, in its order, of the kernel that runs it, and of files read with it."""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from control.projects.regular_file import open_regular

# Seconds: the coarsest time stamps of file systems in use, SMB's and FAT's. That soon after a change, a second one
# may leave the file's stamp and size as they are.
SETTLE_TIME = 2.0
# Read at each start like the notebook beside them, and so small.
COMPANIONS = (".env", "api.toml")
MAX_COMPANION = 200_000  # bytes; more is an error at the start


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
    """The fingerprint of a notebook, even if it is no JSON, and its companions now; None without a regular file."""
    try:
        with open_regular(notebook) as file:
            data = file.read()
    except OSError:
        return None
    return _add_companions(fingerprint(data) or _digest(data), notebook.parent)


def _add_companions(code: str, folder: Path) -> str:
    """The fingerprint with those of the companions in the notebook's folder that are there."""
    contents = [code.encode()]
    for name in COMPANIONS:
        with suppress(OSError), open_regular(folder / name) as file:
            contents.append(name.encode() + file.read(MAX_COMPANION))
    return _digest(b"\0".join(contents)) if len(contents) > 1 else code


class NotebookFile:
    """A notebook file that is polled, and read only when it may have changed; with its companions."""

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
        return _add_companions(self.code, self.path.parent) if self.code else None
