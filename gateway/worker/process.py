"""The process of a worker: death with its parent, no input, file descriptors."""

import atexit
import builtins
import ctypes
import getpass
import os
import signal
import threading
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError

EXIT_TIMEOUT = 2.0  # seconds; as gateway.arbiter.app.SHUTDOWN_TIMEOUT, for a kernel that a cell ends

_PR_SET_PDEATHSIG = 1
_FEW = 4  # file descriptors: a connection, and what a cell opens for a request


def die_with_parent() -> None:
    """Have the system kill this process when the arbiter ends, however it ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def refuse_input() -> None:
    """Make input() and getpass() raise at once instead of waiting for input that never comes."""
    builtins.input = getpass.getpass = _raise_no_input


def end_in_order() -> NoReturn:
    """End this process with its `atexit` functions, as Jupyter ends a kernel, but not later than in EXIT_TIMEOUT."""
    timer = threading.Timer(EXIT_TIMEOUT, os._exit, (0,))
    timer.daemon = True
    timer.start()
    try:
        atexit._run_exitfuncs()
    finally:
        os._exit(0)


def can_open_files() -> bool:
    """Whether there are file descriptors left, for a connection and a few files of a cell."""
    descriptors = []
    try:
        for _ in range(_FEW):
            descriptors.append(os.eventfd(0))
    except OSError:
        return False
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return True


def _raise_no_input(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise StdinNotImplementedError("a cell that handles requests cannot ask for input")
