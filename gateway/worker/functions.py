"""The functions that endpoints call: taken from the kernel right after their cell has run.

Later, another cell may have given the name to another function.
"""

from typing import Any

_functions: dict[int, Any] = {}


def capture(cell: int, function: Any) -> None:
    """Keep the function of a cell, given the cell's number."""
    _functions[cell] = function


def get(cell: int) -> Any:
    """KeyError: no function was captured from this cell."""
    return _functions[cell]
