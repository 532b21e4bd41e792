"""An HTTP response, and the JSON form of an error."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Protocol

from gateway.http.request import Request
from gateway.http.wire import Headers

OK = int(HTTPStatus.OK)  # the attribute of an enumeration takes 0.3 µs of each response
# Set by the server; a cell cannot override them.
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "x-request-id"})
# Without the charset, `requests` reads text as Latin-1, and a browser as windows-1252.
TEXT = "text/plain; charset=utf-8"
WITHOUT_BODY = frozenset({204, 304})
# A header name is a token (RFC 9110). A control character in a value could start another header line.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class BodyStream(Protocol):
    """A body that is generated in chunks; `close` must be called, at its end or earlier."""

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Response:
    """A response. `stream`, if it is set, is sent instead of `body`.

    `error` is for ResponseInfo cells: {"type", "message", "status"}, None without an error. `traceback` is for the
    record of the request, not for the client.
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
