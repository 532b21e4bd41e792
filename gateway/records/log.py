"""The kernel's real standard error: where it goes, supervisord keeps the log of the slot."""

import contextlib
import os
import sys

# ipykernel puts a pipe in place of descriptor 2 and keeps the original here.
_fd: int = getattr(sys.stderr, "_original_stdstream_copy", 2)
NO_REQUEST = "-"  # the label of what belongs to none
_unfinished: str | None = None  # the label of a line that was begun by `piece`


def write(text: str) -> None:
    """Put `text` into the log as it is. A log that nobody reads any more is no reason to fail a request."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(_fd, data) :]


def write_lines(label: str, text: str) -> None:
    """Put each line of `text` into the log behind `[label]`, in one write so that they stay together."""
    global _unfinished
    begun, _unfinished = _unfinished, None
    write("\n" * (begun is not None) + "".join(f"[{label}] {line}\n" for line in text.splitlines()))


def write_part(label: str, text: str) -> None:
    """Put `text`, which may be a part of a line, into the log at once, with `[label]` before each line in it."""
    global _unfinished
    if not text:
        return
    begun, _unfinished = _unfinished, None if text.endswith("\n") else label
    mark = f"[{label}] "
    before = "" if begun == label else mark if begun is None else f"\n{mark}"
    within = text.removesuffix("\n").replace("\n", f"\n{mark}")
    write(before + within + "\n" * text.endswith("\n"))
