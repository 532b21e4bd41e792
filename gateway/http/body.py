"""Decodes the body of a request, and its query."""

import base64
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.http.wire import RejectedRequest

MAX_FIELDS = 10_000  # of a form; each takes a microsecond and a hundred bytes, however short it is

_PIECE = 64 * 1024  # bytes that are percent-decoded at once

Args = dict[str, list[str]]

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
FORMS = (FORM, MULTIPART)


def decode_fields(encoded: bytes) -> Args:
    """A query or a form, with blank values, as in stock. UnicodeDecodeError: it is not UTF-8."""
    fields: Args = {}
    for field in encoded.split(b"&"):
        if field:
            name, _, value = field.replace(b"+", b" ").partition(b"=")
            if b"%" in field:
                name, value = _unquote(name), _unquote(value)
            fields.setdefault(name.decode(), []).append(value.decode())
    return fields


def _unquote(quoted: bytes) -> bytes:
    """Percent-decode, a long text in pieces: unquote_to_bytes takes twenty times the memory of what it gets."""
    if len(quoted) <= _PIECE:
        return unquote_to_bytes(quoted)
    decoded, start = bytearray(), 0
    while start < len(quoted):
        end = start + _PIECE
        escape = quoted.rfind(b"%", end - 2, end)  # one that the cut would split
        end = escape if escape > 0 else end
        decoded += unquote_to_bytes(quoted[start:end])
        start = end
    return bytes(decoded)


class Body(NamedTuple):
    """The `value` of `body` in REQUEST, its JSON text if that is known already, and `extra` keys of REQUEST."""

    value: Any
    text: str | None = None
    extra: Mapping[str, Any] = MappingProxyType({})


_NO_BODY = Body("", '""')


def media_type(content_type: str) -> str:
    """`application/json` of `application/json; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    """As RFC 6839 has it, 3.1: also `application/cloudevents+json`."""
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def decode_body(content_type: str, content: bytes) -> Body:
    """By its type. ValueError: it cannot be decoded; RejectedRequest: it is a form with too many fields."""
    if not content and not content_type:
        return _NO_BODY
    media = media_type(content_type)
    if media == MULTIPART:
        fields, files = decode_multipart(content_type, content)
        uploads = {name: [_file(file) for file in group] for name, group in files.items()}
        return Body(fields, extra={"files": uploads} if uploads else {})
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return Body(None, extra={"body_base64": base64.b64encode(content).decode()})
    if media == FORM:
        return Body(decode_form(content))
    if is_json(media):
        try:
            return Body(json.loads(text), text)
        except ValueError:
            return Body(text)
        except RecursionError:
            raise ValueError("the JSON of the body is nested too deep") from None
    return Body(text)


def decode_form(content: bytes) -> Args:
    """A form. UnicodeDecodeError: it is not UTF-8; RejectedRequest: it has too many fields."""
    if content.count(b"&") >= MAX_FIELDS:
        raise too_many_fields()
    return decode_fields(content)


def decode_multipart(content_type: str, content: bytes) -> tuple[Args, dict[str, list[Any]]]:
    """Fields, and files as HTTPFile, by the parser that stock uses. ValueError: it is not a multipart body."""
    from tornado.httputil import (
        HTTPFile,
        HTTPInputError,
        ParseBodyConfig,
        ParseMultipartConfig,
        parse_body_arguments,
    )

    fields: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    try:
        # What is before the first boundary counts as a part.
        limits = ParseBodyConfig(ParseMultipartConfig(max_parts=MAX_FIELDS + 1))
        parse_body_arguments(content_type, content, fields, files, config=limits)
    except HTTPInputError as error:
        if "too many parts" in str(error):
            raise too_many_fields() from None
        raise ValueError(str(error)) from None
    return {name: [value.decode() for value in values] for name, values in fields.items()}, files


def too_many_fields() -> RejectedRequest:
    return RejectedRequest(413, "too-many-fields", f"a form may have at most {MAX_FIELDS:,} fields: send JSON instead")


def _file(file: Any) -> dict[str, str]:
    return {
        "filename": file.filename,
        "content_type": file.content_type,
        "body_base64": base64.b64encode(file.body).decode(),
    }
