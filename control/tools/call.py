"""The HTTP request that a call of a tool stands for."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from control.tools.api import Call
from control.tools.operation import FORMS, JSON, MULTIPART, Body, Operation
from control.tools.schema import is_file
from control.tools.tool import BODY

Arguments = Mapping[str, Any]


class ArgumentError(Exception):
    """An argument that no request can hold. The text names it and says what to give."""


def to_call(operation: Operation, arguments: Arguments, headers: Mapping[str, str]) -> Call:
    """Raises ArgumentError. What the request can hold is checked by the API."""
    in_path, in_query = operation.names("path"), operation.names("query")
    rest = {name: value for name, value in arguments.items() if name not in {*in_path, *in_query}}
    _check(operation, rest)
    target = operation.path
    for name in in_path:
        target = target.replace(f"{{{name}}}", _segment(name, arguments.get(name)))
    query = [(name, text) for name in in_query for text in _texts(arguments.get(name))]
    kind, body = _body(operation.body, rest) if operation.body else (None, b"")
    return Call(
        operation.method,
        f"{target}?{urlencode(query)}" if query else target,
        {**headers, **({"Content-Type": kind} if kind else {})},
        body,
    )


def _check(operation: Operation, rest: Arguments) -> None:
    """Any may be a field of the body; without fields, each must be known."""
    body = operation.body
    if body and body.fields is not None:
        return
    known = [*operation.names("path"), *operation.names("query"), *([BODY] if body else [])]
    for name in rest:
        if name not in known:
            raise ArgumentError(f"{name}: There is no such argument. The arguments are: {', '.join(known) or 'none'}.")


def _segment(name: str, value: Any) -> str:
    if value is None or value == "":
        raise ArgumentError(f"{name}: A value is required, as a part of the address.")
    return quote(_text(value), safe="")


def _texts(value: Any) -> Iterator[str]:
    """A list's values one by one, nothing for null."""
    for each in value if isinstance(value, list) else [value]:
        if each is not None:
            yield _text(each)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _body(body: Body, rest: Arguments) -> tuple[str | None, bytes]:
    """Its Content-Type and its bytes."""
    if body.fields is None:
        return _whole(body, rest)
    if not rest and not body.is_required:
        return None, b""
    if body.media in FORMS:
        return _form(body, rest)
    return JSON, json.dumps(rest).encode()


def _whole(body: Body, rest: Arguments) -> tuple[str | None, bytes]:
    """The one argument `body`."""
    if BODY not in rest:
        return None, b""
    if body.media == JSON:
        return JSON, json.dumps(rest[BODY]).encode()
    return body.media, _decode(BODY, rest[BODY]) if body.is_binary else _text(rest[BODY]).encode()


def _form(body: Body, rest: Arguments) -> tuple[str, bytes]:
    schemas = body.fields or {}
    if body.media != MULTIPART:
        fields = [(name, text) for name, value in rest.items() for text in _texts(value)]
        return body.media, urlencode(fields).encode()
    parts: list[tuple[str, tuple[str | None, bytes]]] = []
    for name, value in rest.items():
        schema = schemas.get(name, {})
        a_file = is_file(schema.get("items", {}) if schema.get("type") == "array" else schema)
        for text in _texts(value):
            parts.append((name, (name, _decode(name, text)) if a_file else (None, text.encode())))
    request = httpx2.Request("POST", "http://localhost", files=parts)
    return request.headers["Content-Type"], request.read()


def _decode(name: str, value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ArgumentError(f"{name}: The file must be text in base64.") from None
