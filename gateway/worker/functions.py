"""The functions that endpoints call: taken from the kernel right after their cell has run.

Later, another cell may have given the name to another function, and the names in its annotations to other classes.
"""

import contextlib
import functools
import inspect
import typing
from typing import Any

_functions: dict[int, tuple[Any, dict[str, Any] | None]] = {}


def capture(cell: int, function: Any) -> None:
    """Keep the function of a cell, given the cell's number, and its annotations unless they name something later."""
    hints = None
    with contextlib.suppress(Exception):
        hints = read_hints(function)
    _functions[cell] = function, hints


def get(cell: int) -> tuple[Any, dict[str, Any] | None]:
    """The function, and its annotations or None. KeyError: no function was captured from this cell."""
    return _functions[cell]


def read_hints(function: Any) -> dict[str, Any]:
    """The annotations by the names of parameters, and `return`; raises whatever they raise."""
    target: Any = inspect.unwrap(function)
    while isinstance(target, functools.partial):
        target = inspect.unwrap(target.func)
    if not hasattr(target, "__annotations__") and not hasattr(target, "__code__"):
        target = type(target).__call__  # an object that a decorator has made
    return typing.get_type_hints(target, include_extras=True)
