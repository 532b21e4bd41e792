"""What is sent back to a caller."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from gateway.http.request import Request
from gateway.http.wire import Headers

# How the bytes travel, and under which id, is ours to say, whatever a cell sets.
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "x-request-id"})
WITHOUT_BODY = frozenset({204, 304})
# What a header's name is made of (RFC 9110, token), and what no value may hold: it could begin a line of its own.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class BodyStream(Protocol):
    """A body that comes in pieces; `close` ends it early or late."""

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Response:
    """A response. `stream`, if there is one, is sent instead of `body`.

    `error` tells a ResponseInfo cell what happened: {"type", "message", "status"}, None if all is well.
    `traceback` is for the record, not for the caller.
    """

    status: int
    headers: Headers
    body: bytes = b""
    stream: BodyStream | None = None
    error: dict[str, Any] | None = None
    traceback: str = ""


def json_error(
    status: int, code: str, message: str, request: Request | None = None, headers: Headers | None = None, **more: str
) -> Response:
    """An error response; `more` are fields beside the message. `request` is None if it could not be parsed."""
    extensions = {}
    if request is not None:
        path = request.url.partition("?")[0]
        extensions = {"method": request.method, "path": path, "request_id": request.request_id}
    body = error_body(code, message, extensions, **more)
    return Response(status, [("Content-Type", "application/json"), *(headers or ())], body)


def error_body(code: str, message: str, extensions: Mapping[str, str] = MappingProxyType({}), **more: str) -> bytes:
    """An error as JSON in the form that Hasura Actions read. `code` names the kind of error and is stable."""
    return json.dumps({"message": message, **more, "extensions": {"code": code, **extensions}}).encode()
