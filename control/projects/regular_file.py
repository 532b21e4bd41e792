"""Opens files of projects. Anybody may put a FIFO or a device in the place of one, whose open may never return."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """The file, open for reading. OSError, at once, also where it is no regular file."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # a FIFO opens then, fifo(7)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def is_regular(path: Path) -> bool:
    """Whether it is a file, and neither a symlink nor anything else. OSError: there is none."""
    return stat.S_ISREG(path.lstat().st_mode)
