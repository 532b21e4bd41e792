"""Log records of the control app: a message on one line, and an exception indented below it.

Flask logs the path at which an exception was raised, decoded: a `%0A` in it would begin a line of its own. The text
of an exception may have lines too.
"""

import logging
import textwrap
import traceback
from typing import Any

from control.logs.lines import MAX_LINE, escape

INDENT = "  "


class EscapedRecord(logging.LogRecord):
    """A LogRecord that cannot forge a line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0]:
            # Formatters use it instead of formatting exc_info.
            self.exc_text = _indent("".join(traceback.format_exception(*self.exc_info)))

    def getMessage(self) -> str:
        return escape(super().getMessage())


def install() -> None:
    """Make `logging` use EscapedRecord."""
    logging.setLogRecordFactory(EscapedRecord)


def _indent(text: str) -> str:
    """The last MAX_LINE characters of a traceback, and before them how many are missing."""
    missing = len(text) - MAX_LINE
    note = f"({missing:,} characters left out)\n" if missing > 0 else ""
    return textwrap.indent(note + text[-MAX_LINE:].rstrip("\n"), INDENT)
