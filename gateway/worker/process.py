"""Process settings of a worker: death with its parent, forks, no input, garbage collection."""

import builtins
import ctypes
import gc
import getpass
import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError

_PR_SET_PDEATHSIG = 1


class ForkGuard:
    """Knows whether this process is a copy that a cell made with os.fork."""

    def __init__(self, close_inherited: Callable[[], None]) -> None:
        """`close_inherited` runs first thing in every copy: it closes what only the original may use."""
        self.is_copy = False
        self._close_inherited = close_inherited
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self.is_copy = True
        self._close_inherited()


def die_with_parent() -> None:
    """Have the system kill this process when the arbiter ends, however it ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def refuse_input() -> None:
    """Make input() and getpass() raise at once instead of waiting for input that never comes."""
    builtins.input = getpass.getpass = _raise_no_input


def _raise_no_input(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise StdinNotImplementedError("a cell that handles requests cannot ask for input")


def freeze_heap() -> None:
    """Exclude all objects that exist now from garbage collection: they stay alive anyway."""
    gc.freeze()
