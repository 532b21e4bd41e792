"""HTTP/1.1 framing: the response head, chunks, and header names as bytes.

One request per connection: nginx does not keep connections to the kernels alive, and every response says `close`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"

Headers = list[tuple[str, str]]


class RejectedRequest(Exception):
    """A request that gets an error response, with this `status`, `code` and message, in place of its cell's.

    `details` are further `extensions` of the error.
    """

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def head(status: int, headers: Iterable[tuple[str, str]], framing: str = "") -> bytes:
    """Status line and headers, with `Connection: close`. The caller must have validated the headers.

    `framing` is the header line, with its line end, that delimits the body.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    text = f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}\r\n{lines}{framing}Connection: close\r\n\r\n"
    return text.encode("utf-8", "replace")


def content_length(body: bytes) -> str:
    """The framing of a body that is sent as a whole."""
    return f"Content-Length: {len(body)}\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a `Transfer-Encoding: chunked` body; `data` must not be empty, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def replace(headers: Headers, name: str, values: Iterable[str]) -> Headers:
    """`headers` with `name` (in any case) set to `values`, one line each."""
    others = [pair for pair in headers if pair[0].lower() != name.lower()]
    return others + [(name, value) for value in values]


@lru_cache(maxsize=1024)
def header_name(raw: bytes) -> str:
    """b"content-type" as "Content-Type": the case in which tornado shows header names to the stock gateway's cells."""
    return "-".join([word.capitalize() for word in raw.decode("latin-1").split("-")])
