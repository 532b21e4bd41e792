"""Fingerprints of notebooks: of their code, in its order, of the kernel that runs it, and of files read with it."""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from control.projects.catalog import TEXT_NOTEBOOK
from control.projects.regular_file import open_regular

# Seconds: the coarsest time stamps of file systems in use, SMB's and FAT's. That soon after a change, a second one
# may leave the file's stamp and size as they are.
SETTLE_TIME = 2.0
# Read at each start like the notebook beside them, and so small.
COMPANIONS = (".env", "api.toml")
MAX_COMPANION = 200_000  # bytes; more is an error at the start


def fingerprint(data: bytes, is_text: bool = False) -> str | None:
    """A hash of a notebook's code and its kernel's name; None where the data is no JSON, or nested too deeply.

    With `is_text` the data is a text in jupytext's percent format; None where it cannot be read as one.

    Not of outputs, other metadata, Markdown and the blank cell that Jupyter adds at the end: a restart would lose
    what the kernel has in memory for nothing.
    """
    try:
        content = _read_text(data) if is_text else json.loads(data)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        return None
    try:
        return _digest(json.dumps(_code(content)).encode())
    except (LookupError, TypeError, AttributeError):  # not a notebook: its start reports the error
        return _digest(data)


def _read_text(data: bytes) -> Any:
    """The notebook in nbformat's form; raises ValueError."""
    import jupytext  # 0.3 s and 20 MB, which only a `server.py` is worth

    text = data.decode("utf-8-sig")
    try:
        return jupytext.reads(text, "py:percent")
    except (LookupError, TypeError, AttributeError) as error:  # a header of another form
        raise ValueError(str(error)) from error


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
    return _add_companions(fingerprint(data, _is_text(notebook)) or _digest(data), notebook.parent)


def _add_companions(code: str, folder: Path) -> str:
    """The fingerprint with those of the companions in the notebook's folder that are there."""
    contents = [code.encode()]
    for name in COMPANIONS:
        with suppress(OSError), open_regular(folder / name) as file:
            contents.append(name.encode() + file.read(MAX_COMPANION))
    return _digest(b"\0".join(contents)) if len(contents) > 1 else code


def _is_text(notebook: Path) -> bool:
    return notebook.name == TEXT_NOTEBOOK


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    """What differs after a save."""
    stat = os.fstat(file.fileno())
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


class NotebookFile:
    """A notebook file that is polled, and read only when it may have changed; with its companions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = ""  # of its data
        self.valid_code: str | None = None  # of the same
        self.code: str | None = None
        self.stamp: tuple[int, int, int] | None = None
        self.changed_at = 0.0  # monotonic
        self.is_settled = False

    def poll(self) -> str | None:
        """The fingerprint; None where there is no regular file, or one that is still being written.

        A text is read when two polls have found it the same, as half of it is a notebook too. A file that is no JSON
        for longer than a save takes, such as one with a merge conflict, has a fingerprint too.
        """
        try:
            # Opened and not just stat'ed: only an open makes NFS revalidate its cache.
            with open_regular(self.path) as file:
                stamp = _stamp(file)
                if stamp != self.stamp:
                    self.stamp, self.changed_at, self.is_settled = stamp, time.monotonic(), False
                    if _is_text(self.path):
                        return None
                if not self.is_settled:
                    self.is_settled = time.monotonic() - self.changed_at > SETTLE_TIME
                    data = file.read()
                    if _stamp(file) != stamp:  # it was written meanwhile
                        self.stamp = None
                        return None
                    if (digest := _digest(data)) != self.digest:  # reading 1,000 lines of text takes 0.2 s
                        self.digest, self.valid_code = digest, fingerprint(data, _is_text(self.path))
                    self.code = self.valid_code or (digest if self.is_settled else None)
        except OSError:
            self.stamp = self.code = None
        return _add_companions(self.code, self.path.parent) if self.code else None
