"""What a worker asks of its process: to end with its parent, to leave the serving to the parent of a fork,
and to have nobody to ask for input.
"""

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
        """`close_inherited` runs in every such copy at once: it closes what only the original may use."""
        self.is_copy = False
        self._let_go = close_inherited
        os.register_at_fork(after_in_child=self._in_copy)

    def _in_copy(self) -> None:
        self.is_copy = True
        self._let_go()


def die_with_parent() -> None:
    """Have the system kill this process when the arbiter ends, however it ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def refuse_input() -> None:
    """Make input() and getpass() raise at once instead of waiting for an answer that never comes."""
    builtins.input = getpass.getpass = _nobody_to_ask


def _nobody_to_ask(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise StdinNotImplementedError("a cell that answers requests has nobody to ask for input")


def spare_the_collector() -> None:
    """Take all that is loaded now out of garbage collection: it stays, and need not be looked at again."""
    gc.freeze()
