"""Splits a program's output into lines of the log, none of which can be forged, coloured, hidden or endless."""

import re
from codecs import getincrementaldecoder

# Bytes. With the label before it, a line of plain text stays within the 16 KiB at which Docker splits lines.
MAX_LINE = 16_000
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# All control characters but the tab, Unicode's other line ends, and what changes the direction of text.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# What nginx logs of a request behind the client's address: all of it is text from the client.
REQUEST_FIELDS = re.compile(r', (?:request|subrequest|upstream|host|referrer): "')


class LineBuffer:
    """Splits one program's output. Of a line that is too long it keeps the beginning, and counts the rest."""

    def __init__(self) -> None:
        self.partial = b""
        self.omitted = 0  # bytes of the partial line

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, as `format_line` returns them."""
        first, *more = data.split(b"\n")
        self._append(first)
        if not more:
            return []
        lines = [self.flush(), *map(format_line, more[:-1])]
        self._append(more[-1])
        return lines

    def flush(self) -> str:
        """The partial line as if it were complete; "" where there is none."""
        text = format_line(self.partial, self.omitted)
        self.partial, self.omitted = b"", 0
        return text

    def _append(self, data: bytes) -> None:
        room = MAX_LINE - len(self.partial)
        self.partial += data[:room]
        self.omitted += max(0, len(data) - room)


def format_line(data: bytes, omitted: int = 0) -> str:
    """A line without its end, escaped and cut to MAX_LINE; `omitted` bytes of it are missing already."""
    omitted += max(0, len(data) - MAX_LINE)
    if not omitted:
        return escape(data.decode(errors="replace").removesuffix("\r"))
    # The cut may split a character.
    text = getincrementaldecoder("utf-8")("replace").decode(data[:MAX_LINE])
    return f"{escape(text)} … ({omitted:,} bytes left out)"


def escape(text: str) -> str:
    """The text without a terminal's colours, and with its other control characters as `\\x1b` or `\\u202e`."""
    if text.isprintable():  # most lines are, and this is the fastest test
        return text
    return CONTROL.sub(_code, COLOUR.sub("", text))


def label(project: str) -> str:
    """A project's name as it begins a line of the log: without the character that ends it there."""
    return escape(project).replace("|", "\\x7c")


def strip_request(text: str) -> str:
    """A line of nginx's error log without the request, whose query may have secrets; the client's address stays."""
    return REQUEST_FIELDS.split(text, maxsplit=1)[0]


def _code(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
