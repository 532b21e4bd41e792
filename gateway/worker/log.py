"""The kernel's real standard error: where it goes, supervisord keeps the log of the slot."""

import contextlib
import os
import sys

# ipykernel puts a pipe in place of descriptor 2 and keeps the original here.
_fd: int = getattr(sys.stderr, "_original_stdstream_copy", 2)


def write(text: str) -> None:
    """Put `text` into the log as it is. A log that nobody reads any more is no reason to fail a request."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(_fd, data) :]


def lines(label: str, text: str) -> None:
    """Put each line of `text` into the log behind `[label]`, in one write so that they stay together."""
    write("".join(f"[{label}] {line}\n" for line in text.splitlines()))
