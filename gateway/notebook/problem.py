"""What is to be reported of a notebook's cells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A line that is not what it looks like, or that may be meant otherwise. `cell` and `line` count from 1."""

    cell: int
    line: int
    text: str
    message: str
