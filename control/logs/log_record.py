"""What the control app says through `logging`: one line, and below it an exception's, of which none begins like one.

Flask says at which path an exception came, decoded: a caller's `%0A` would begin a line of its own. The text of an
exception may have lines too.
"""

import logging
import textwrap
import traceback
from typing import Any

from control.logs.lines import LONGEST, escape

INDENT = "  "


class Record(logging.LogRecord):
    """As logging's, see `install`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0]:
            # Formatters take it where it is there.
            self.exc_text = _traceback("".join(traceback.format_exception(*self.exc_info)))

    def getMessage(self) -> str:
        """As logging's, on one line."""
        return escape(super().getMessage())


def install() -> None:
    """From now on all that is said through `logging` is said so."""
    logging.setLogRecordFactory(Record)


def _traceback(text: str) -> str:
    """Its last LONGEST characters, and before them how many are missing."""
    missing = len(text) - LONGEST
    note = f"({missing:,} characters left out)\n" if missing > 0 else ""
    return textwrap.indent(note + text[-LONGEST:].rstrip("\n"), INDENT)
