"""Process settings of a worker: death with its parent, no input."""

import builtins
import ctypes
import getpass
import signal
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the system kill this process when the arbiter ends, however it ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def refuse_input() -> None:
    """Make input() and getpass() raise at once instead of waiting for input that never comes."""
    builtins.input = getpass.getpass = _raise_no_input


def _raise_no_input(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise StdinNotImplementedError("a cell that handles requests cannot ask for input")
