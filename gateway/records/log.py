"""Writes to the log of the slot, which is the process's real standard error."""

import contextlib
import os
import sys

# ipykernel puts a pipe in place of descriptor 2 and keeps the original here.
_fd: int = getattr(sys.stderr, "_original_stdstream_copy", 2)
NO_REQUEST = "-"  # the label of lines that belong to no request
# Of all that a request logs: its beginning and its end, in characters. A line counts as LINE_COST more, as handling it
# takes that long, here and in the programs that read the log.
HEAD, TAIL = 1024 * 1024, 64 * 1024
LINE_COST = 100
_LONGEST_PART = 16 * 1024  # characters
_LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # as for str.splitlines
_open_line: tuple[str, object] | None = None  # the label and writer of the line that `write_part` has begun


class RequestLog:
    """Writes lines behind `[label]`: the first HEAD characters at once, of what follows the last TAIL at `close`."""

    __slots__ = ("_end", "_label", "_lines", "_room")

    def __init__(self, label: str) -> None:
        self._label = label
        self._room = HEAD
        self._end = ""  # of what was not written
        self._lines = 0  # that were not written

    def write(self, text: str) -> None:
        """Log the lines of `text`, of which the last is complete."""
        beginning = text[: self._room]
        lines = beginning.splitlines()
        size = len(beginning) + len(lines) * LINE_COST
        if len(beginning) == len(text) and size <= self._room:
            self._room -= size
            _write_lines(self._label, lines)
        elif self._room:
            self._write_last(beginning, text)
        else:
            self._omit(text)

    def close(self) -> None:
        """Log the end of what has been left out, and before it how many lines are missing."""
        if not self._lines:
            return
        lines, room = [], TAIL
        for line in reversed(self._end.splitlines()):
            room -= len(line) + LINE_COST
            if room < 0:
                break
            lines.append(line)
        missing = self._lines - len(lines)
        note = [f"… {missing:,} lines omitted"] if missing > 0 else []
        _write_lines(self._label, [*note, *reversed(lines)])
        self._lines, self._end = 0, ""

    def _write_last(self, beginning: str, text: str) -> None:
        """Write what there is room for."""
        lines, size = [], 0
        for line in beginning.splitlines(keepends=True):
            shown = line.splitlines()[0][:_LONGEST_PART]
            self._room -= len(shown) + LINE_COST
            if self._room < 0:
                break
            lines.append(shown)
            size += len(line)
        self._room = 0
        _write_lines(self._label, [*lines, "… the last lines of this request follow at its end"])
        self._omit(text[size:])

    def _omit(self, text: str) -> None:
        self._lines += sum(map(text.count, _LINE_ENDS)) - text.count("\r\n") + (text[-1:] not in _LINE_ENDS)
        self._end = (self._end + text[-TAIL:] + "\n")[LINE_COST - TAIL :]


def write(text: str) -> None:
    """Write `text` as it is. A log that nobody reads any more must not fail a request."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(_fd, data) :]


def write_lines(label: str, text: str) -> None:
    """Write each line of `text` behind `[label]`, as RequestLog does."""
    log = RequestLog(label)
    log.write(text)
    log.close()


def write_part(label: str, text: str, writer: object = None) -> None:
    """Write `text`, which may be a part of a line, at once, with `[label]` before each line.

    Another writer, which may be anything, or another label begins a new line.
    """
    global _open_line
    if not text:
        return
    if len(text) > _LONGEST_PART:
        write_lines(label, text)
        return
    previous, _open_line = _open_line, None if text.endswith("\n") else (label, writer)
    prefix = f"[{label}] "
    before = "" if previous == (label, writer) else prefix if previous is None else f"\n{prefix}"
    lines = text.removesuffix("\n").replace("\n", f"\n{prefix}")
    write(before + lines + "\n" * text.endswith("\n"))


def _write_lines(label: str, lines: list[str]) -> None:
    """In one write, so that they stay together."""
    global _open_line
    previous, _open_line = _open_line, None
    write("\n" * (previous is not None) + "".join([f"[{label}] {line}\n" for line in lines]))
