"""Writes to the log of the slot, which is the process's real standard error."""

import contextlib
import os
import sys

# ipykernel puts a pipe in place of descriptor 2 and keeps the original here.
_fd: int = getattr(sys.stderr, "_original_stdstream_copy", 2)
NO_REQUEST = "-"  # the label of lines that belong to no request
_open_label: str | None = None  # the label of the line that `write_part` has begun


def write(text: str) -> None:
    """Write `text` as it is. A log that nobody reads any more must not fail a request."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(_fd, data) :]


def write_lines(label: str, text: str) -> None:
    """Write each line of `text` behind `[label]`, in one write so that they stay together."""
    global _open_label
    previous, _open_label = _open_label, None
    write("\n" * (previous is not None) + "".join(f"[{label}] {line}\n" for line in text.splitlines()))


def write_part(label: str, text: str) -> None:
    """Write `text`, which may be a part of a line, at once, with `[label]` before each line."""
    global _open_label
    if not text:
        return
    previous, _open_label = _open_label, None if text.endswith("\n") else label
    prefix = f"[{label}] "
    before = "" if previous == label else prefix if previous is None else f"\n{prefix}"
    lines = text.removesuffix("\n").replace("\n", f"\n{prefix}")
    write(before + lines + "\n" * text.endswith("\n"))
