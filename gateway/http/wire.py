"""HTTP as bytes: the words that requests and responses are made of.

One request per connection: nginx speaks to the kernels without keep-alive, and every answer says so.
"""

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"

Headers = list[tuple[str, str]]


class RejectedRequest(Exception):
    """A request that is answered without looking further: with `status`, `code`, and the message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def head(status: int, headers: Iterable[tuple[str, str]], framing: str = "") -> bytes:
    """Status line and headers, `Connection: close` included. The caller vouches for their characters.

    `framing` is a header, with its line end, that tells how the body comes.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    text = f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}\r\n{lines}{framing}Connection: close\r\n\r\n"
    return text.encode("utf-8", "replace")


def content_length(body: bytes) -> str:
    """The framing of a body that is sent as a whole."""
    return f"Content-Length: {len(body)}\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a `Transfer-Encoding: chunked` body; `data` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def replace(headers: Headers, name: str, values: Iterable[str]) -> Headers:
    """`headers` with `name` (in any case) set to `values`, each a line of its own."""
    kept = [pair for pair in headers if pair[0].lower() != name.lower()]
    return kept + [(name, value) for value in values]


@lru_cache(maxsize=1024)
def header_name(raw: bytes) -> str:
    """b"content-type" to "Content-Type", as tornado shows header names to stock's cells."""
    return "-".join([word.capitalize() for word in raw.decode("latin-1").split("-")])
