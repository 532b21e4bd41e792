"""The processes below another, and their end."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """Every process below `pid`, children before their parents."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield from descendants(child)
                yield child


def kill_descendants(pid: int) -> None:
    """Kill every process below `pid`, also those that appear meanwhile."""
    for descendant in descendants(pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(descendant, signal.SIGKILL)


def kill_kernels_of(pid: int) -> None:
    """Kill the kernels that a dead program has left, with what they have started.

    They have process groups of their own. A Python kernel notices that its parent is gone, but not while it
    is still starting; kernels of other languages do not. jupyter_client tells each who its parent is.
    """
    mark = f"JPY_PARENT_PID={pid}".encode()
    for descendant in descendants(os.getpid()):
        with suppress(OSError):
            if mark in Path(f"/proc/{descendant}/environ").read_bytes().split(b"\0"):
                os.kill(descendant, signal.SIGKILL)
