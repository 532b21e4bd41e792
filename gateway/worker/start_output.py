"""Writes what ordinary cells print straight to the log while a kernel starts.

Nothing is queued: a cell that prints faster than the log is read waits. Over the Jupyter protocol either end would
queue it in memory, or drop it without a word.
"""

import asyncio
import sys
import threading
from contextlib import nullcontext
from typing import Any

from IPython.core.getipython import get_ipython

from gateway.notebook.failure import ANSI
from gateway.records import log

_LONGEST_LINE = 8192


class StartOutput:
    """A stream of this kernel, `limit` characters of it for each cell."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream = stream
        # ipykernel's thread that copies descriptor 1 or 2 to the log by itself.
        self._copier = getattr(stream, "watch_fd_thread", None)
        self._limit = self._room = limit
        self._line = ""  # not complete yet
        self._lock = threading.Lock()
        stream.write, stream.flush = self.write, self.flush

    def write(self, text: str) -> int:
        if self._copier is None or threading.get_ident() != self._copier.ident:
            with self._lock:
                kept = text[: max(0, self._room)]
                self._room -= len(text)
                lines, newline, self._line = (self._line + kept).rpartition("\n")
                _write(lines + newline)
            if len(self._line) > _LONGEST_LINE:
                self.flush()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            line, self._line = self._line, ""
            _write(line)

    def end_cell(self) -> None:
        """Say how much of its output was dropped."""
        self.flush()
        if self._room < 0:
            log.write(f"\n({-self._room} more characters that this cell printed were dropped: MAX_OUTPUT_MB)\n")
        self._room = self._limit

    def end(self) -> None:
        """Leave the stream to ipykernel again."""
        self.flush()
        del self._stream.write, self._stream.flush


_outputs: list[StartOutput] = []


def begin(limit: int) -> None:
    """Log what each cell prints from now on, up to `limit` characters."""
    # Not before the cell that calls this has ended: IPython then restores the streams.
    asyncio.get_running_loop().call_soon(_begin, limit)


def end() -> None:
    """The opposite of `begin`, if that was called."""
    if _outputs:
        _shell().events.unregister("post_execute", _end_cell)
    while _outputs:
        _outputs.pop().end()


def _begin(limit: int) -> None:
    shell = _shell()
    shell._tee = lambda channel: nullcontext()  # it would keep all output in memory
    shell.events.register("post_execute", _end_cell)
    _outputs.extend(StartOutput(stream, limit) for stream in (sys.stdout, sys.stderr))


def _shell() -> Any:
    return get_ipython()


def _end_cell() -> None:
    for output in _outputs:
        output.end_cell()


def _write(text: str) -> None:
    if text:
        log.write(ANSI.sub("", text))
