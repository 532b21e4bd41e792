"""Reads a log as it grows."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from control.logs.tail import last_lines, rotated_path

MAX_READ = 1_000_000  # bytes of one read, so also how far back a reader may catch up


class LogReader:
    """The complete lines of a log from its end on, also when its file is rotated, replaced or truncated.

    Begins after `position`, which an earlier reader had, and otherwise with the last `lines` lines. Where `find_path`
    returns another log than before, the reader goes over to that: to where it was before, or else to its last lines.
    """

    def __init__(self, find_path: Callable[[], Path], lines: int, position: str | None = None) -> None:
        self.find_path = find_path
        self.path = find_path()
        self.positions: dict[Path, str] = {}  # in other logs
        self.lines = lines
        self.position = position or ""
        self.file: BinaryIO | None = None

    def read(self) -> str:
        """The lines since the last call; an incomplete one waits until it is complete. Raises OSError."""
        if (path := self.find_path()) != self.path:
            return self._go_over(path)
        if self.file is None:
            return self._open()
        # Checked before the read: a file that was replaced is read to its end first.
        is_replaced = self._is_replaced(self.file)
        text = self._read_lines(self.file)
        if text or not is_replaced:
            return text
        self.file.close()
        self.file = self.path.open("rb")
        return self._read_lines(self.file)

    def close(self) -> None:
        if self.file:
            self.file.close()

    def _go_over(self, path: Path) -> str:
        rest = self._read_lines(self.file) if self.file else ""
        self.close()
        self.positions[self.path] = self.position
        self.path, self.file, self.position = path, None, self.positions.get(path, "")
        return rest + self._open()

    def _open(self) -> str:
        try:
            self.file, offset = self._find_position()
        except FileNotFoundError:
            return ""
        size = os.fstat(self.file.fileno()).st_size
        start = max(offset or 0, size - MAX_READ)
        self.file.seek(start)
        if start and start != offset:
            self.file.readline(MAX_READ)  # the rest of a partial line
        text = self._read_lines(self.file)
        if offset is not None:
            return text
        lines = text.splitlines(keepends=True)[-self.lines :] if self.lines else []
        # Earlier ones are in the rotated file, unless they are in this one and too far back.
        earlier = "" if start else last_lines(rotated_path(self.path), self.lines - len(lines))
        return earlier + "".join(lines)

    def _find_position(self) -> tuple[BinaryIO, int | None]:
        """The file of `position`, which may have been rotated since, and the offset in it; else the log."""
        with suppress(FileNotFoundError):
            file = rotated_path(self.path).open("rb")
            offset = self._offset_in(file)
            if offset is not None:
                return file, offset
            file.close()
        file = self.path.open("rb")
        return file, self._offset_in(file)

    def _offset_in(self, file: BinaryIO) -> int | None:
        """The offset of `position`, if that is in this very file."""
        stat = os.fstat(file.fileno())
        inode, _, offset = self.position.partition("-")
        is_valid = inode == str(stat.st_ino) and re.fullmatch("[0-9]{1,18}", offset) and int(offset) <= stat.st_size
        return int(offset) if is_valid else None

    def _is_replaced(self, file: BinaryIO) -> bool:
        try:
            stat = self.path.stat()
        except FileNotFoundError:  # being rotated
            return False
        return stat.st_ino != os.fstat(file.fileno()).st_ino or stat.st_size < file.tell()

    def _read_lines(self, file: BinaryIO) -> str:
        start = file.tell()
        data = file.read(MAX_READ)
        is_endless = len(data) == MAX_READ and b"\n" not in data
        lines = data if is_endless else data[: data.rfind(b"\n") + 1]
        file.seek(start + len(lines))
        self.position = f"{os.fstat(file.fileno()).st_ino}-{file.tell()}"
        return lines.decode(errors="replace")
