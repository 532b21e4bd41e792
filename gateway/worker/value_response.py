"""Turns what a function returns into a response."""

import dataclasses
import datetime
import decimal
import enum
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from gateway.http.response import OK, TEXT, WITHOUT_BODY, Response
from gateway.http.wire import Headers
from gateway.worker import displays, flask_compat, rich_display
from gateway.worker.json_value import LISTS, TABLES, dump_json
from gateway.worker.output import Output
from gateway.worker.streams import AsyncStream, SyncStream

JSON, EVENTS = "application/json", "text/event-stream"

_LINE_END = re.compile("\r\n|\r|\n")  # no others, and what is after the last one counts too: a piece may be a "\n"
_JSON_TYPES = frozenset({dict, list, int, float, bool, set, frozenset})
_DATA = (dict, list, int, float, set, frozenset, enum.Enum, decimal.Decimal, uuid.UUID)
_DATES = (datetime.date, datetime.time, datetime.timedelta)
_OF_A_MODEL = "__pydantic_serializer__"  # an attribute of a class that pydantic knows
_DATA_PACKAGES = frozenset({"numpy", "pandas", "polars"})


def to_response(shell: Any, value: Any, output: Output, accept: str) -> Response:
    """The response of a function that returns `value`, to a caller with this `Accept` header.

    What it displays is the response if it returns nothing. Raises what IPython displayed instead of raising it;
    TypeError, ValueError: the value cannot be sent.
    """
    response = (displays.take_last(output) if value is None else None) or _convert(shell, value, accept)
    if output.displayed_error is not None:
        raise output.displayed_error
    if output.displays:
        displays.log_unsent(output)
    return response


def _convert(shell: Any, value: Any, accept: str) -> Response:
    kind = type(value)
    if kind in _JSON_TYPES or hasattr(kind, _OF_A_MODEL):
        return _respond(JSON, dump_json(value))
    if value is None:
        return Response(HTTPStatus.NO_CONTENT, [])
    if kind is tuple and (parts := _split_tuple(value)):
        return _with_parts(_convert(shell, parts[0], accept), *parts[1:])
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return _respond(TEXT, value.encode("utf-8", "replace"))
    if isinstance(value, bytes | bytearray | memoryview):
        return _respond("application/octet-stream", bytes(value))
    response = flask_compat.from_response(value)
    if response is not None:
        return response
    if hasattr(value, "__await__"):
        raise _not_awaited(value)
    if isinstance(value, Iterator | AsyncIterator):
        return _stream(value, EVENTS in accept)
    if not _is_data(value) and (response := rich_display.to_response(shell, value)):
        return response
    return _respond(JSON, dump_json(value))


def _respond(media: str, body: bytes) -> Response:
    return Response(OK, [("Content-Type", media)], body)


def _split_tuple(value: tuple[Any, ...]) -> tuple[Any, int | None, Headers] | None:
    """The parts of a tuple as Flask has them: (value, status), (value, headers) or (value, status, headers).

    A number is no body for Flask, nor here: (640, 480) is a size, whatever 480 means in HTTP.
    """
    match value:
        case (int() | float(), *_):
            return None
        case (body, code) if _is_status(code):
            return body, code, []
        case (body, Mapping() as lines):
            return body, None, _header_lines(lines) or []
        case (body, code, lines) if _is_status(code) and (headers := _header_lines(lines)) is not None:
            return body, code, headers
    return None


def _header_lines(headers: Any) -> Headers | None:
    """The headers of a mapping, of which a list has several values, or of a list of pairs; None if it is neither."""
    if hasattr(headers, "items"):
        values = ((name, value if isinstance(value, list | tuple) else [value]) for name, value in headers.items())
        return [(str(name), str(each)) for name, group in values for each in group]
    if isinstance(headers, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in headers):
        return [(str(name), str(value)) for name, value in headers]
    return None


def _is_status(status: Any) -> bool:
    return isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599


def _with_parts(response: Response, status: int | None, headers: Headers) -> Response:
    """ValueError: the status or a header cannot be sent."""
    if status is not None and status < HTTPStatus.OK:
        raise ValueError(f"the function returns the status {status}: give one from 200 to 599")
    if status is not None:
        response.status = status
    elif response.status == HTTPStatus.NO_CONTENT and headers:
        response.status = HTTPStatus.OK
    new = flask_compat.checked_headers(headers)
    names = {name.lower() for name, _ in new}
    response.headers = [pair for pair in response.headers if pair[0].lower() not in names] + new
    if response.status in WITHOUT_BODY:
        response.body = b""
    return response


def _not_awaited(value: Any) -> TypeError:
    if close := getattr(value, "close", None):
        close()  # or Python would say it too
    return TypeError(f"the function returns a {type(value).__name__}: define it with `async def` and await that")


def _is_data(value: Any) -> bool:
    """Whether it is sent as JSON, also if it can display itself."""
    kind = type(value)
    return (
        isinstance(value, _DATA + _DATES)
        or dataclasses.is_dataclass(value)
        or (kind.__module__.partition(".")[0] in _DATA_PACKAGES and any(hasattr(value, n) for n in TABLES + LISTS))
    )


def _stream(values: Any, as_events: bool) -> Response:
    kind, encode = (EVENTS, encode_event) if as_events else (TEXT, encode_piece)
    stream = AsyncStream(values, encode) if isinstance(values, AsyncIterator) else SyncStream(values, encode)
    # Of nginx: it would collect pieces until a buffer is full.
    headers = [("Content-Type", kind), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]
    return Response(HTTPStatus.OK, headers, stream=stream)


def encode_piece(value: Any) -> bytes:
    """A piece of a stream of text; what is no text is JSON on a line of its own."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return dump_json(value) + b"\n"


def encode_event(value: Any) -> bytes:
    """A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html); bytes are one already."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    text = value if isinstance(value, str) else dump_json(value).decode()
    return "".join(f"data: {line}\n" for line in _LINE_END.split(text)).encode("utf-8", "replace") + b"\n"
