"""What programs print, as lines of the log: none can be forged, coloured, hidden or without an end."""

import re
from codecs import getincrementaldecoder

# Bytes of a line. With what stands before it, plain text stays within the 16 KiB at which Docker cuts lines in two.
LONGEST = 16_000
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# All control characters but the tab, what else ends a line in Unicode, and what turns the direction of a text round.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# What nginx says of a request behind the client's address: all of it is the caller's text.
SAID_BY_CALLER = re.compile(r', (?:request|subrequest|upstream|host|referrer): "')


class Lines:
    """Makes lines of one program's output. Of a line that is too long it keeps the beginning, and counts the rest."""

    def __init__(self) -> None:
        self.beginning = b""  # of the line that is not complete yet
        self.left_out = 0

    def take(self, data: bytes) -> list[str]:
        """The lines that are complete with `data`, as `line` gives them."""
        rest, *more = data.split(b"\n")
        self._add(rest)
        if not more:
            return []
        whole = [self.end(), *map(line, more[:-1])]
        self._add(more[-1])
        return whole

    def end(self) -> str:
        """What there is of a line, as if it were complete; "" where that is nothing."""
        text = line(self.beginning, self.left_out)
        self.beginning, self.left_out = b"", 0
        return text

    def _add(self, data: bytes) -> None:
        room = LONGEST - len(self.beginning)
        self.beginning += data[:room]
        self.left_out += max(0, len(data) - room)


def line(data: bytes, left_out: int = 0) -> str:
    """A line without its end, harmless and cut to LONGEST; `left_out` bytes of it are missing already."""
    left_out += max(0, len(data) - LONGEST)
    if not left_out:
        return escape(data.decode(errors="replace").removesuffix("\r"))
    # A character may be cut in two.
    text = getincrementaldecoder("utf-8")("replace").decode(data[:LONGEST])
    return f"{escape(text)} … ({left_out:,} bytes left out)"


def escape(text: str) -> str:
    """The text without a terminal's colours, and with its other control characters as `\\x1b` or `\\u202e`."""
    if text.isprintable():  # most are, and this is the quickest way to know
        return text
    return CONTROL.sub(_code, COLOUR.sub("", text))


def without_request(text: str) -> str:
    """A line of nginx's error log without the request, in whose query secrets may be; the client's address stays."""
    return SAID_BY_CALLER.split(text, maxsplit=1)[0]


def _code(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
