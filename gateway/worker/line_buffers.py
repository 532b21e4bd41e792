"""Makes whole lines of what threads and tasks print outside of requests: a `print` is several writes.

As Python's own line buffering: what is no whole line yet waits for its end, for `flush`, or for the end of the process.
"""

import asyncio
import atexit
import os
import threading
from typing import Any

from gateway.records import log

_LONGEST = 8192  # characters that wait

Writer = threading.Thread | asyncio.Task[Any]


class LineBuffers:
    """The unfinished line of each thread and task; one that has ended without a line break is written out later."""

    def __init__(self) -> None:
        self._waiting: dict[Writer, tuple[str, str]] = {}  # label, text
        atexit.register(self._write_all)
        os.register_at_fork(after_in_child=self._waiting.clear)  # the parent writes it

    def write(self, label: str, text: str) -> None:
        """Log the lines of `text` behind `[label]`."""
        writer = _current_writer()
        before, beginning = self._waiting.pop(writer, (label, ""))
        if before != label:
            log.write_lines(before, beginning)
            beginning = ""
        text = beginning + text
        end = len(text) if len(text) > _LONGEST else text.rfind("\n") + 1
        log.write_part(label, text[:end], writer)
        if end < len(text):
            self._waiting[writer] = label, text[end:]
        for other in list(self._waiting):
            if _has_ended(other):
                self._write_out(other)

    def flush(self) -> None:
        """Log what the current thread or task has printed, also without a line break."""
        if self._waiting:
            self._write_out(_current_writer())

    def _write_all(self) -> None:
        for writer in list(self._waiting):
            self._write_out(writer)

    def _write_out(self, writer: Writer) -> None:
        label, text = self._waiting.pop(writer, ("", ""))
        log.write_part(label, text, writer)


def _current_writer() -> Writer:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        task = None
    return task or threading.current_thread()


def _has_ended(writer: Writer) -> bool:
    return not writer.is_alive() if isinstance(writer, threading.Thread) else writer.done()
