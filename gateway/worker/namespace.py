"""Namespaces for cells with `await`: their own names, on top of the kernel's live globals.

Such cells run concurrently, so each call has globals of its own: a plain dict, so that functions, classes and
comprehensions in the cell find REQUEST there like any other name. A name that is not in it is looked up in the
kernel's globals at that moment, by way of the last place where Python looks: the builtins. (`__missing__` on the
globals would not do: class bodies look globals up without it.)

`globals()` in such a cell therefore shows the cell's own names only.
"""

import builtins
from typing import Any


class _FallbackBuiltins(dict[str, Any]):
    """Stands in for the builtins: looks a name up in the kernel's globals, then in the real builtins.

    Python looks names up with `__getitem__`, but takes `__import__` straight from the dict: hence the copy.
    """

    def __init__(self, kernel_globals: dict[str, Any]) -> None:
        super().__init__(vars(builtins))
        self._globals = kernel_globals

    def __getitem__(self, name: str) -> Any:
        try:
            return self._globals[name]
        except KeyError:
            return vars(builtins)[name]


def create(kernel_globals: dict[str, Any]) -> dict[str, Any]:
    """A namespace in which nothing is assigned yet, to be copied for each call."""
    return {"__name__": "__main__", "__builtins__": _FallbackBuiltins(kernel_globals)}
