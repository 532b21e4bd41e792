"""The names a cell with `await` sees: its own on top, the kernel's globals below, live.

Such cells run concurrently, so what one assigns is its own: a plain dict serves as its globals, and
functions, classes and comprehensions in the cell find REQUEST there like any other name. A name that is not
in it falls through to the globals of the kernel as they are at that moment, by way of the last place where
Python looks: the builtins. (`__missing__` on the globals themselves would
not do: class bodies read globals without it.)

`globals()` in such a cell therefore shows the cell's own names only.
"""

import builtins
from typing import Any


class _Beneath(dict[str, Any]):
    """The kernel's globals, then the builtins, in the guise of the builtins.

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


class Namespaces:
    """Makes namespaces on top of `kernel_globals`."""

    def __init__(self, kernel_globals: dict[str, Any]) -> None:
        self._base = {"__name__": "__main__", "__builtins__": _Beneath(kernel_globals)}

    def new(self) -> dict[str, Any]:
        """A namespace in which nothing is assigned yet."""
        return self._base.copy()
