"""The reason why a notebook cannot be served, in the form that the control app reads."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;]*m")
MAX_VALUE, MAX_TRACEBACK = 10_000, 16 * 1024  # characters
# How IPython's tracebacks give a line of a cell.
LINE_IN_CELL = re.compile(r"Cell In\[\d+\], line (\d+)")


@dataclass(frozen=True)
class Failure:
    """`cell` counts the notebook's code cells from 1, `line` the lines of the cell; None: in no cell.

    `source` is the cell's; `file_line` counts the lines of a notebook that is text.
    """

    cell: int | None
    line: int | None
    name: str
    value: str
    traceback: str
    source: str | None = None
    file_line: int | None = None

    def write(self, path: Path) -> None:
        """Write JSON atomically."""
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    def __str__(self) -> str:
        where = f"cell {self.cell}: " if self.cell else ""
        return f"The notebook does not run: {where}{self.name}: {self.value}"


class NotebookError(Exception):
    """The notebook cannot be served, and a retry would not help."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure

    @classmethod
    def outside_cells(cls, name: str, value: str) -> "NotebookError":
        """For a reason that is in no single cell."""
        return cls(Failure(None, None, name, value, ""))

    @classmethod
    def in_cell(cls, cell: int | None, reply: dict[str, Any], source: str = "") -> "NotebookError":
        """From the content of an `execute_reply` with status "error", and the cell's source.

        https://jupyter-client.readthedocs.io/en/stable/messaging.html#request-reply
        """
        traceback = ANSI.sub("", "\n".join(reply.get("traceback", [])))
        lines = LINE_IN_CELL.findall(traceback)
        # The first is of the outermost frame, the cell itself.
        line = int(lines[0]) + _leading_blank_lines(source) if lines else None
        name, value = reply.get("ename", "Error"), ANSI.sub("", str(reply.get("evalue", "")))
        return cls(Failure(cell, line, name, value[:MAX_VALUE], _tail(traceback)))


def _tail(traceback: str) -> str:
    """The end, which says most, and how much is missing before it: a message may be of any length."""
    missing = len(traceback) - MAX_TRACEBACK
    return f"({missing:,} characters left out)\n{traceback[-MAX_TRACEBACK:]}" if missing > 0 else traceback


def _leading_blank_lines(source: str) -> int:
    """Lines that IPython strips from a cell before it counts."""
    return source[: len(source) - len(source.lstrip())].count("\n")
