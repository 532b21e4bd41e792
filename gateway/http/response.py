"""An HTTP response, and the JSON form of an error."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Protocol

from gateway.http.request import Request
from gateway.http.wire import Headers, RejectedRequest

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
    """A body that is generated in pieces (gateway/worker/streams.py); `close` must run, at its end or earlier.

    `next_piece` is None after the last. Unless `is_async`, neither ever awaits.
    """

    @property
    def is_async(self) -> bool: ...

    async def next_piece(self) -> bytes | None: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Response:
    """A response. `stream`, if it is set, makes what follows `body`.

    `error` is for ResponseInfo cells: {"type", "message", "status"}, None without an error. `traceback` and
    `is_broken_off`, whether the client got a part of the body only, are for the record of the request.
    """

    status: int
    headers: Headers
    body: bytes = b""
    stream: BodyStream | None = None
    error: dict[str, Any] | None = None
    traceback: str = ""
    is_broken_off: bool = False


def json_error(
    status: int, code: str, message: str, request: Request | None = None, headers: Headers | None = None, **more: str
) -> Response:
    """An error response; `more` are fields beside the message. `request` is None if it could not be parsed."""
    body = error_body(code, message, _origin(request), **more)
    return Response(status, [("Content-Type", "application/json"), *(headers or ())], body)


def rejection(error: RejectedRequest, request: Request | None) -> Response:
    """The response to a rejected request. `request` is None if it could not be parsed."""
    body = error_body(error.code, str(error), {**error.details, **_origin(request)})
    return Response(error.status, [("Content-Type", "application/json")], body)


def error_body(code: str, message: str, extensions: Mapping[str, Any] = MappingProxyType({}), **more: str) -> bytes:
    """An error as JSON in the form that Hasura Actions read. `code` names the kind of error and is stable."""
    return json.dumps({"message": message, **more, "extensions": {"code": code, **extensions}}).encode()


def _origin(request: Request | None) -> dict[str, str]:
    if request is None:
        return {}
    return {"method": request.method, "path": request.url.partition("?")[0], "request_id": request.request_id}
