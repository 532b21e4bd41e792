"""The record of one request and its response, as the control app receives it: cut to limits, secrets masked.

{"at": Unix time of its start, "seconds", "method", "path": with its query, as received,
 "endpoint": as annotated, null if none matched, "status": 499 if the client disconnected before the response,
 "is_broken_off": whether the client got only the beginning of the body, although the status was sent,
 "request_id", "request": {"headers", "body"}, "response": {"headers", "body"}, "stderr": text, "traceback": text}

headers   [[name, value], …], null for a masked value
body      {"size": in bytes, "cut": whether only its beginning is included, "text", or "base64" if it is not UTF-8}
text      {"size": in characters, "cut", "text"}
"""

import base64
import codecs
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.http.request import Request
from gateway.records import redaction

BODY_LIMIT = 64 * 1024  # bytes of a body
TEXT_LIMIT = 16 * 1024  # characters: the beginning of what a cell wrote to stderr, the end of a traceback
# What `trim` leaves of each, in the same units.
TRIMMED_BODY, TRIMMED_TEXT = 256, 1024
HEADER_LIMIT = 8 * 1024  # characters of a header that a cell sets; nginx limits those of requests


class Excerpt(NamedTuple):
    """A part of a text, and the length of all of it."""

    text: str
    size: int

    @classmethod
    def tail(cls, text: str) -> "Excerpt":
        """The end of a traceback, which says most."""
        return cls(text[-TEXT_LIMIT:], len(text)) if text else NO_TEXT

    def render(self) -> str:
        """The text of a tail, preceded by the number of characters left out."""
        missing = self.size - len(self.text)
        return f"({missing:,} characters left out)\n{self.text}" if missing else self.text

    def concat(self, text: str) -> "Excerpt":
        """With `text` appended, up to TEXT_LIMIT."""
        return Excerpt(self.text + text[: TEXT_LIMIT - len(self.text)], self.size + len(text))


NO_TEXT = Excerpt("", 0)


@dataclass(slots=True)
class Record:
    """References to what is at hand when a request is over: `to_json` does the work, for records that are sent.

    Both bodies are excerpts; their full sizes are `request.size` and `response_size`. `endpoint` is an index, -1 if
    none matched; `started` is of time.monotonic.
    """

    request: Request
    request_body: bytes
    status: int
    headers: Sequence[tuple[str, str]]
    response_body: bytes
    response_size: int
    endpoint: int
    started: float
    seconds: float
    stderr: Excerpt = NO_TEXT
    traceback: Excerpt = NO_TEXT
    is_broken_off: bool = False

    @property
    def size(self) -> int:
        """Bytes of the bodies and characters of the texts that it holds."""
        return len(self.request_body) + len(self.response_body) + len(self.stderr.text) + len(self.traceback.text)

    def trim(self) -> None:
        """Keep little more than a page that lists requests shows."""
        self.request_body = self.request_body[:TRIMMED_BODY]
        self.response_body = self.response_body[:TRIMMED_BODY]
        if self.stderr.size > TRIMMED_TEXT:  # seldom, and an Excerpt takes longer to make than all else here
            self.stderr = Excerpt(self.stderr.text[:TRIMMED_TEXT], self.stderr.size)
        if self.traceback.size > TRIMMED_TEXT:
            self.traceback = Excerpt(self.traceback.text[-TRIMMED_TEXT:], self.traceback.size)

    def to_json(self, endpoints: Sequence[str]) -> dict[str, Any]:
        """The form described above; `endpoints` are the paths as annotated."""
        request = self.request
        headers = ((name, str(value)[:HEADER_LIMIT]) for name, value in self.headers)
        return {
            "at": time.time() - (time.monotonic() - self.started),
            "seconds": self.seconds,
            "method": request.method,
            "path": redaction.mask_url(request.url),
            "endpoint": endpoints[self.endpoint] if self.endpoint >= 0 else None,
            "status": self.status,
            "is_broken_off": self.is_broken_off,
            "request_id": request.request_id,
            "request": _message(_request_headers(request), self.request_body, request.size),
            "response": _message(headers, self.response_body, self.response_size),
            "stderr": _text(self.stderr),
            "traceback": _text(self.traceback),
        }


def _message(headers: Iterable[tuple[str, str]], body: bytes, size: int) -> dict[str, Any]:
    return {"headers": redaction.mask_headers(headers), "body": _body(body, size)}


def _request_headers(request: Request) -> Iterator[tuple[str, str]]:
    for name, values in request.headers.items():
        for value in [values] if isinstance(values, str) else values:
            yield name, value


def _body(excerpt: bytes, size: int) -> dict[str, Any]:
    is_cut = len(excerpt) < size
    try:
        # The cut may be within a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(excerpt, final=not is_cut)
        if "\0" not in text:
            return {"size": size, "cut": is_cut, "text": text}
    except UnicodeDecodeError:
        pass
    return {"size": size, "cut": is_cut, "base64": base64.b64encode(excerpt).decode()}


def _text(excerpt: Excerpt) -> dict[str, Any]:
    return {"size": excerpt.size, "cut": len(excerpt.text) < excerpt.size, "text": excerpt.text}
