"""Reading a log as it grows."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from control.logs.tail import last_lines, rotated

AT_ONCE = 1_000_000  # bytes that are read at most, so also how far back a reader may catch up


class LogReader:
    """The whole lines of a log from its end on, wherever its file is renamed, made anew or cut short.

    Begins after `position`, which an earlier reader had, and otherwise with the last `lines` lines.
    """

    def __init__(self, path: Path, lines: int, position: str | None = None) -> None:
        self.path = path
        self.lines = lines
        self.position = position or ""
        self.file: BinaryIO | None = None

    def read(self) -> str:
        """What was added since; the last line only once it is complete. Raises OSError."""
        if self.file is None:
            return self._open()
        # Looked at before the read: what came before it was replaced is read to its end first.
        is_replaced = self._is_replaced(self.file)
        added = self._added(self.file)
        if added or not is_replaced:
            return added
        self.file.close()
        self.file = self.path.open("rb")
        return self._added(self.file)

    def close(self) -> None:
        if self.file:
            self.file.close()

    def _open(self) -> str:
        try:
            self.file, known = self._where_it_was()
        except FileNotFoundError:
            return ""
        size = os.fstat(self.file.fileno()).st_size
        start = max(known or 0, size - AT_ONCE)
        self.file.seek(start)
        if start and start != known:
            self.file.readline(AT_ONCE)  # the rest of a line that was cut
        text = self._added(self.file)
        if known is not None:
            return text
        lines = text.splitlines(keepends=True)[-self.lines :] if self.lines else []
        # Those before them are in the rotated file, unless they are in this one and too far back.
        before = "" if start else last_lines(rotated(self.path), self.lines - len(lines))
        return before + "".join(lines)

    def _where_it_was(self) -> tuple[BinaryIO, int | None]:
        """The file that an earlier reader was in, which may have been rotated since, and where; else the log."""
        with suppress(FileNotFoundError):
            file = rotated(self.path).open("rb")
            known = self._known_offset(file)
            if known is not None:
                return file, known
            file.close()
        file = self.path.open("rb")
        return file, self._known_offset(file)

    def _known_offset(self, file: BinaryIO) -> int | None:
        """Where an earlier reader was, if that was in this very file."""
        about = os.fstat(file.fileno())
        inode, _, offset = self.position.partition("-")
        is_known = inode == str(about.st_ino) and re.fullmatch("[0-9]{1,18}", offset) and int(offset) <= about.st_size
        return int(offset) if is_known else None

    def _is_replaced(self, file: BinaryIO) -> bool:
        try:
            now = self.path.stat()
        except FileNotFoundError:  # just being renamed
            return False
        return now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell()

    def _added(self, file: BinaryIO) -> str:
        start = file.tell()
        data = file.read(AT_ONCE)
        is_endless = len(data) == AT_ONCE and b"\n" not in data
        whole = data if is_endless else data[: data.rfind(b"\n") + 1]
        file.seek(start + len(whole))
        self.position = f"{os.fstat(file.fileno()).st_ino}-{file.tell()}"
        return whole.decode(errors="replace")
