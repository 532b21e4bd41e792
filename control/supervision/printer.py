"""Output that never blocks and never fails, whatever becomes of the terminal, pipe or disk that it goes to."""

import io
import os
import select
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

MAX_WAITING = 2_000_000  # bytes
RETRY = 1.0  # seconds between two attempts to say how much was dropped


class Printer(io.TextIOBase):
    """A stream whose lines are written by a thread of its own.

    Each line has a source. A source may fill as much of the buffer as it leaves free: half of it, where no other lines
    wait. So a flood leaves room for the lines of others. Lines that do not fit, or that `sink` refuses, are dropped.
    Once `sink` accepts some again, a line says how many, with `label` before it, in which `{}` stands for the source.
    `sink` takes bytes and their source, and returns how many of them it has written, or raises OSError, as os.write
    does.
    """

    def __init__(self, sink: Callable[[bytes, str], int], label: str = "") -> None:
        self._sink = sink
        self._label = label
        self._waiting: list[tuple[str, bytes]] = []  # a source, and what it has printed
        self._sizes: Counter[str] = Counter()  # bytes waiting
        self._free = MAX_WAITING
        self._dropped: Counter[str] = Counter()  # lines
        self._is_idle = True
        self._change = threading.Condition()
        threading.Thread(target=self._run, name="printer", daemon=True).start()

    def write(self, text: str, /, source: str = "supervisord") -> int:
        """Print whole lines."""
        data = text.encode(errors="replace")
        with self._change:
            room = max(0, self._free - self._sizes[source]) // 2
            end = len(data) if len(data) <= room else data.rfind(b"\n", 0, room) + 1
            if lost := data.count(b"\n", end):
                self._dropped[source] += lost
            if end:
                self._waiting.append((source, data[:end]))
                self._sizes[source] += end
                self._free -= end
                self._change.notify_all()
        return len(text)

    def drain(self, timeout: float) -> None:
        """Wait until all is written, for at most `timeout` seconds."""
        with self._change:
            self._change.wait_for(lambda: self._is_idle and not self._waiting, timeout)

    def _run(self) -> None:
        dropped: Counter[str] = Counter()
        while True:
            lines, newly_dropped = self._take(RETRY if dropped else None)
            for source, count in list(dropped.items()):
                if not self._send(source, self._note(source, count)):
                    del dropped[source]
            for source, data in lines:
                # What a source has lost is said before its next line.
                dropped[source] += data.count(b"\n") if dropped[source] else self._send(source, data)
            # Lines that did not fit into the buffer came after those in it.
            dropped += newly_dropped

    def _take(self, timeout: float | None) -> tuple[list[tuple[str, bytes]], Counter[str]]:
        """What waits, in its order, and how many lines were dropped meanwhile."""
        with self._change:
            self._is_idle = True
            self._change.notify_all()
            self._change.wait_for(lambda: self._waiting, timeout)
            self._is_idle = False
            waiting, dropped = self._waiting, self._dropped
            self._waiting, self._dropped = [], Counter()
            self._sizes.clear()
            self._free = MAX_WAITING
        return waiting, dropped

    def _note(self, source: str, dropped: int) -> bytes:
        lines = "1 line was" if dropped == 1 else f"{dropped:,} lines were"
        return f"{self._label.format(source)}… {lines} dropped\n".encode()

    def _send(self, source: str, data: bytes) -> int:
        """Write; returns how many lines could not be written."""
        with suppress(OSError):
            while data:
                data = data[self._sink(data, source) :]
        return data.count(b"\n")


def write_to_stdout(data: bytes, _source: str) -> int:
    return _write(1, data)


def write_to_stderr(data: bytes, _source: str) -> int:
    return _write(2, data)


def _write(descriptor: int, data: bytes) -> int:
    """As os.write; also where another program has made the terminal non-blocking."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            select.select([], [descriptor], [])
