"""Output that never blocks and never fails, whatever becomes of the terminal, pipe or disk that it goes to."""

import io
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from control.logs.tail import rotated_path

MAX_WAITING = 1_000_000  # bytes
API_LOG_BYTES = 10_000_000
RETRY = 1.0  # seconds between two attempts to say how much was dropped


class Printer(io.TextIOBase):
    """A stream whose lines are written by a thread of its own.

    Lines that do not fit into its buffer, or that `sink` refuses, are dropped. Once `sink` accepts some again, a line
    says how many, with `label` before it. `sink` writes bytes and returns how many of them, or raises OSError, as
    os.write does.
    """

    def __init__(self, sink: Callable[[bytes], int], label: str = "") -> None:
        self._sink = sink
        self._label = label
        self._waiting = bytearray()
        self._dropped = 0  # lines
        self._is_idle = True
        self._change = threading.Condition()
        threading.Thread(target=self._run, name="printer", daemon=True).start()

    def write(self, text: str, /) -> int:
        """Print whole lines."""
        data = text.encode(errors="replace")
        with self._change:
            if len(self._waiting) + len(data) > MAX_WAITING:
                self._dropped += data.count(b"\n")
            else:
                self._waiting += data
                self._change.notify_all()
        return len(text)

    def drain(self, timeout: float) -> None:
        """Wait until all is written, for at most `timeout` seconds."""
        with self._change:
            self._change.wait_for(lambda: self._is_idle and not self._waiting, timeout)

    def _run(self) -> None:
        dropped = 0
        while True:
            with self._change:
                self._is_idle = True
                self._change.notify_all()
                self._change.wait_for(lambda: self._waiting, RETRY if dropped else None)
                self._is_idle = False
                data, newly_dropped = bytes(self._waiting), self._dropped
                self._waiting.clear()
                self._dropped = 0
            if dropped and not self._send(self._note(dropped)):
                dropped = 0
            # Lines that did not fit into the buffer came after those in it.
            dropped += self._send(data).count(b"\n") + newly_dropped

    def _note(self, dropped: int) -> bytes:
        lines = "1 line was" if dropped == 1 else f"{dropped:,} lines were"
        return f"{self._label}… {lines} dropped\n".encode()

    def _send(self, data: bytes) -> bytes:
        """Write; returns what could not be written."""
        with suppress(OSError):
            while data:
                data = data[self._sink(data) :]
        return data


def write_to_stdout(data: bytes) -> int:
    """As os.write; also where another program has made the terminal non-blocking."""
    while True:
        try:
            return os.write(1, data)
        except BlockingIOError:
            select.select([], [1], [])


class RotatedFile:
    """Appends to a log file. When that is full, it becomes the one before it (control/logs/tail.py)."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def write(self, data: bytes) -> int:
        """As os.write."""
        # Opened each time, a few microseconds: there is no state that an error could leave wrong.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(file).st_size >= self._max_bytes:
                self._path.replace(rotated_path(self._path))
                return 0
            return os.write(file, data)
        finally:
            os.close(file)
