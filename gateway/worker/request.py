"""What a cell is told about its request: the JSON string REQUEST.

As the stock gateway has it (kernel_gateway.notebook_http.request_utils):

    body      parsed JSON, {field: [values]} of a form, or the text; "" without one
    args      query parameters: {name: [values]}
    path      path parameters: {name: value}
    headers   {Name-In-This-Case: value}, a list of values if it came more than once

and besides

    method    "GET", …
    url       the path with its query, as received
    files     {field: [{"filename", "content_type", "body_base64"}]} for multipart bodies with files
    body_base64   for a body that is not UTF-8 text; `body` is null then

`application/json` with parameters and `application/…+json` count as JSON. A body that claims to be JSON and
is not stays text, as in stock. Authorization is never shown.
"""

import base64
import itertools
import json
import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.worker.wire import Refused, header_name

_HIDDEN = frozenset({"Authorization", "Proxy-Authorization"})

_CALLERS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_made_ids = itertools.count(1)
_worker_id = secrets.token_hex(4)

Args = dict[str, list[str]]

# As json.dumps, without its search for cycles: what comes from a parser has none.
_to_json = json.JSONEncoder(check_circular=False).encode


class Request:
    """One complete request.

    `request_id` is the caller's X-Request-Id if that is harmless in a log, else made here. `size` is the
    length of the body in bytes; `describe` empties `body`, so that nobody holds it longer than needed.
    """

    __slots__ = ("body", "headers", "method", "request_id", "size", "target")

    def __init__(self, method: str, target: bytes, raw: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = _headers(raw)
        self.body = body
        self.size = len(body)
        given = self.header("X-Request-Id")
        self.request_id = given if _CALLERS_ID.fullmatch(given) else f"{_worker_id}-{next(_made_ids):x}"

    @property
    def url(self) -> str:
        return self.target.decode("latin-1")

    def header(self, name: str) -> str:
        """The first value of the header, "" without one."""
        value = self.headers.get(name, "")
        return value if isinstance(value, str) else value[0]

    def describe(self, path: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """REQUEST, and what it stands for. Refused: the query or a form cannot be decoded."""
        content, self.body = self.body, b""
        try:
            body = _body(self.header("Content-Type"), content)
            rest = {
                "args": _fields(self.target.partition(b"?")[2]),
                "path": path,
                "headers": dict(self.headers),
                "method": self.method,
                "url": self.url,
                **body.more,
            }
            text = body.text if body.text is not None else _to_json(body.value)
            return f'{{"body": {text}, {_to_json(rest)[1:]}', {"body": body.value, **rest}
        except (ValueError, RecursionError) as error:
            raise Refused(400, "bad-request", f"cannot be decoded: {error}") from None


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str | list[str]]:
    headers: dict[str, str | list[str]] = {}
    for raw_name, raw_value in raw:
        name, value = header_name(raw_name), raw_value.decode("latin-1")
        if name in _HIDDEN:
            continue
        if name not in headers:
            headers[name] = value
        else:
            before = headers[name]
            headers[name] = [before, value] if isinstance(before, str) else [*before, value]
    return headers


def _fields(encoded: bytes) -> Args:
    """A query or a form as stock reads it, blank values kept. UnicodeDecodeError: not UTF-8."""
    fields: Args = {}
    for field in encoded.split(b"&"):
        if field:
            name, _, value = field.replace(b"+", b" ").partition(b"=")
            fields.setdefault(unquote_to_bytes(name).decode(), []).append(unquote_to_bytes(value).decode())
    return fields


class _Body(NamedTuple):
    """`value` as the cell shall see it, the JSON text of that if it is at hand, and what there is besides."""

    value: Any
    text: str | None = None
    more: Mapping[str, Any] = MappingProxyType({})


_NO_BODY = _Body("", '""')


def _body(content_type: str, content: bytes) -> _Body:
    if not content and not content_type:
        return _NO_BODY
    media = content_type.partition(";")[0].strip().lower()
    if media == "multipart/form-data":
        return _multipart(content_type, content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return _Body(None, more={"body_base64": base64.b64encode(content).decode()})
    if media == "application/x-www-form-urlencoded":
        return _Body(_fields(content))
    if media == "application/json" or (media.startswith("application/") and media.endswith("+json")):
        try:
            return _Body(json.loads(text), text)
        except (ValueError, RecursionError):
            return _Body(text)
    return _Body(text)


def _multipart(content_type: str, content: bytes) -> _Body:
    """Fields and files, by the parser that stock uses. ValueError: not a multipart body."""
    from tornado.httputil import HTTPFile, HTTPInputError, parse_body_arguments

    fields: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    try:
        parse_body_arguments(content_type, content, fields, files)
    except HTTPInputError as error:
        raise ValueError(str(error)) from None
    described = {name: [_file(file) for file in uploads] for name, uploads in files.items()}
    return _Body(
        {name: [value.decode() for value in values] for name, values in fields.items()},
        more={"files": described} if described else {},
    )


def _file(file: Any) -> dict[str, str]:
    return {
        "filename": file.filename,
        "content_type": file.content_type,
        "body_base64": base64.b64encode(file.body).decode(),
    }
