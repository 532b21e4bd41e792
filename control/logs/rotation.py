"""The logs of APIs: each has two files, the older of which goes, and all fit into a limit: RUN_DIR may be in memory."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from control.logs.tail import rotated_path

FILE_BYTES = 11_000_000  # of each of an API's two files, with few APIs: 10,000 lines of 1,000 bytes are always there
ALL_BYTES = 80_000_000  # of all files of APIs that are not stopped
STOPPED_BYTES = 200_000  # of each of the two files of one that is


def file_bytes(folder: Path) -> int:
    """The limit of each file; `folder` has a folder for each API, with a `supervisord.conf` unless it is stopped."""
    with os.scandir(folder) as apis:  # for each piece of output: glob takes several times as long
        count = sum(os.path.exists(f"{api.path}/supervisord.conf") for api in apis)  # noqa: PTH110
    return min(FILE_BYTES, ALL_BYTES // 2 // max(count, 1))


def write_to_log(data: bytes, log: Path | str) -> int:
    """As os.write, to the log of one API."""
    log = Path(log)
    return RotatedFile(log, file_bytes(log.parent.parent)).write(data)


def trim_logs(folder: Path) -> None:
    """Cut the logs that are too large now, because there is one more API; `folder` as for `file_bytes`."""
    limit = file_bytes(folder)
    for log in folder.glob("*/api.log"):
        with suppress(OSError):
            RotatedFile(log, limit).trim()


class RotatedFile:
    """Appends to a log file, also beside other processes.

    When the file is full, it becomes the one before it (tail.py).
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def write(self, data: bytes) -> int:
        """As os.write."""
        # Opened each time, a few microseconds: there is no state that an error could leave wrong.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(file).st_size < self._max_bytes:
                return os.write(file, data)
            self._rotate(file)
        finally:
            os.close(file)
        return self.write(data)

    def trim(self) -> None:
        """Keep the end of a file that was allowed to be larger; raises OSError."""
        self.write(b"")
        rotated = rotated_path(self._path)
        if rotated.exists() and rotated.stat().st_size > self._max_bytes:
            end = rotated.read_bytes()[-self._max_bytes :]
            partial = rotated.with_name(f".{rotated.name}.partial")
            partial.write_bytes(end.partition(b"\n")[2])
            partial.replace(rotated)

    def _rotate(self, file: int) -> None:
        """Rename the log if it is this file: another process may have done it meanwhile."""
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), self._path.stat()):
                self._path.replace(rotated_path(self._path))
