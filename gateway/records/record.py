"""One call as the control app gets to know of it: what was asked and answered, cut to limits, without secrets.

{"at": Unix time of its begin, "seconds", "method", "path": with its query, as received,
 "endpoint": as annotated, null where none answered, "status": 499 if the caller left before the answer,
 "request_id", "request": {"headers", "body"}, "response": {"headers", "body"}, "stderr": text, "traceback": text}

headers   [[name, value], …], null for a value that is masked
body      {"size": in bytes, "cut": whether only its beginning is there, "text", or "base64" if it is no UTF-8}
text      {"size": in characters, "cut", "text"}
"""

import base64
import codecs
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from gateway.http.request import Request
from gateway.records import redaction

BODY_LIMIT = 64 * 1024  # bytes of a body
TEXT_LIMIT = 16 * 1024  # characters of what a cell wrote to stderr, from its begin, and of a traceback, from its end
# What is left of each where many large ones come at once, in the same units.
BODY_TRIMMED, TEXT_TRIMMED = 256, 1024
HEADER_LIMIT = 8 * 1024  # characters of a header that a cell sets; those of requests are limited by nginx


class Excerpt(NamedTuple):
    """A part of a text, and the length of all of it."""

    text: str
    size: int

    @classmethod
    def tail(cls, text: str) -> "Excerpt":
        """Of a traceback the end says most."""
        return cls(text[-TEXT_LIMIT:], len(text)) if text else NO_TEXT

    def render(self) -> str:
        """This end of a text, and before it how much is missing."""
        missing = self.size - len(self.text)
        return f"({missing:,} characters left out)\n{self.text}" if missing else self.text

    def concat(self, text: str) -> "Excerpt":
        """With more behind it, as far as there is room."""
        return Excerpt(self.text + text[: TEXT_LIMIT - len(self.text)], self.size + len(text))


NO_TEXT = Excerpt("", 0)


class Record(NamedTuple):
    """Only what is at hand when a request is over: `as_json` does the work, for those that are sent.

    `sent` and `body` are the beginnings of the two bodies, `bytes_out` the size of the second, `held` that of both
    beginnings and both texts as they were noted; `started` and `seconds` are of time.monotonic; `endpoint` is an
    index, -1 where none answered.
    """

    sent: bytes
    body: bytes
    stderr: Excerpt
    traceback: Excerpt
    held: int
    request: Request
    status: int
    headers: Sequence[tuple[str, str]]
    bytes_out: int
    endpoint: int
    started: float
    seconds: float

    def as_json(self, endpoints: Sequence[str]) -> dict[str, Any]:
        """Its form above; `endpoints` are their paths as annotated."""
        request = self.request
        return {
            "at": time.time() - (time.monotonic() - self.started),
            "seconds": self.seconds,
            "method": request.method,
            "path": redaction.target(request.url),
            "endpoint": endpoints[self.endpoint] if self.endpoint >= 0 else None,
            "status": self.status,
            "request_id": request.request_id,
            "request": {"headers": redaction.headers(_pairs(request)), "body": _body(self.sent, request.size)},
            "response": {"headers": redaction.headers(_cut(self.headers)), "body": _body(self.body, self.bytes_out)},
            "stderr": _text(self.stderr),
            "traceback": _text(self.traceback),
        }


HELD = Record._fields.index("held")


def trim(fields: list[Any]) -> None:
    """Leave of a Record in the form of a list little more than what a page that lists calls shows."""
    sent, body, stderr, trace = fields[:4]
    fields[0], fields[1] = sent[:BODY_TRIMMED], body[:BODY_TRIMMED]
    if stderr.size > TEXT_TRIMMED:
        fields[2] = Excerpt(stderr.text[:TEXT_TRIMMED], stderr.size)
    if trace.size > TEXT_TRIMMED:
        fields[3] = Excerpt(trace.text[-TEXT_TRIMMED:], trace.size)


def _pairs(request: Request) -> Iterator[tuple[str, str]]:
    for name, values in request.headers.items():
        for value in [values] if isinstance(values, str) else values:
            yield name, value


def _cut(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((name, str(value)[:HEADER_LIMIT]) for name, value in pairs)


def _body(kept: bytes, size: int) -> dict[str, Any]:
    is_cut = len(kept) < size
    try:
        # What was cut may end within a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(kept, final=not is_cut)
        if "\0" not in text:
            return {"size": size, "cut": is_cut, "text": text}
    except UnicodeDecodeError:
        pass
    return {"size": size, "cut": is_cut, "base64": base64.b64encode(kept).decode()}


def _text(text: Excerpt) -> dict[str, Any]:
    return {"size": text.size, "cut": len(text.text) < text.size, "text": text.text}
