"""Reads files of users, who may have a FIFO or a device in the place of one, whose open may never return."""

import errno
import os
import stat
from pathlib import Path

ENV_FILE = ".env"  # a project's variables (gateway/notebook/variables.py): never in a response


def read_regular(path: Path) -> bytes:
    """The file's content. OSError, at once, also where it is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO opens then, fifo(7)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read()
