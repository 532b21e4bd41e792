"""Formats the body of a message for display, and compares two responses to the same request."""

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Literal

from control.traffic.exchange import Exchange, Message

MAX_LINES = 2000  # comparing more takes too long, and a page lays each out
MAX_INDENTED = 500_000  # characters; a page takes long to lay out more
# Headers that differ with each request.
VOLATILE_HEADERS = frozenset({"connection", "content-length", "date", "transfer-encoding", "x-request-id"})

Kind = Literal["same", "changed", "only", "gap"]
Row = tuple[Kind, str]


def format_body(message: Message) -> str | None:
    """The body as text, JSON indented up to MAX_INDENTED; None where it is binary."""
    text = message.body.text
    if text is None or message.body.cut or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return _indent(json.loads(text, parse_float=_parse_exactly))
    except (ValueError, RecursionError):
        return text


def _indent(value: Any) -> str:
    """The value as JSON. ValueError: it would be larger than MAX_INDENTED, as 65 KB of nested arrays are with 60 MB."""
    parts: list[str] = []
    size = 0
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        size += len(part)
        if size > MAX_INDENTED:
            raise ValueError("too large")
        parts.append(part)
    return "".join(parts)


def _parse_exactly(text: str) -> float:
    """ValueError: Python would write the number in another way."""
    if repr(float(text)) != text:
        raise ValueError(text)
    return float(text)


@dataclass(frozen=True)
class Comparison:
    """Two responses to the same request: which parts differ, and their bodies side by side, line by line."""

    before: Exchange
    after: Exchange

    @property
    def differences(self) -> list[str]:
        """Some of "status", "headers" and "body"."""
        parts = {
            "status": self.before.status != self.after.status,
            "headers": self.changed_headers,
            "body": not self.is_same_body,
        }
        return [name for name, differs in parts.items() if differs]

    @property
    def is_same_body(self) -> bool:
        return _body_without_id(self.before) == _body_without_id(self.after)

    @property
    def is_complete(self) -> bool:
        """Whether both bodies were stored in full."""
        return not (self.before.response.body.cut or self.after.response.body.cut)

    @property
    def changed_headers(self) -> list[tuple[str, str | None, str | None]]:
        """(name, value before, value after) of those that differ; None: absent."""
        old, new = _headers(self.before), _headers(self.after)
        if "etag" in old and not self.is_same_body:  # it differs because the body does
            old.pop("etag", None)
            new.pop("etag", None)
        names = dict.fromkeys([*old, *new])
        return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]

    @property
    def rows(self) -> tuple[list[Row], list[Row]]:
        """The lines of both bodies, as many on each side; empty where one is binary, or has more than MAX_LINES."""
        texts = [format_body(self.before.response), format_body(self.after.response)]
        if None in texts:
            return [], []
        old, new = ((text or "").splitlines() for text in texts)
        return ([], []) if len(old) > MAX_LINES or len(new) > MAX_LINES else _align(old, new)


def _body_without_id(exchange: Exchange) -> tuple[str | None, bool]:
    """Our own errors have the request id in their body."""
    body = exchange.response.body
    return (body.text.replace(exchange.request_id, "") if body.text is not None else body.base64), body.cut


def _headers(exchange: Exchange) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in exchange.response.headers:
        key = name.lower()
        if key not in VOLATILE_HEADERS:
            headers[key] = ", ".join(filter(None, [headers.get(key), value or "masked"]))
    return headers


def _align(old: list[str], new: list[str]) -> tuple[list[Row], list[Row]]:
    left: list[Row] = []
    right: list[Row] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new).get_opcodes():
        kind: Kind = "same" if tag == "equal" else "changed" if tag == "replace" else "only"
        for old_line, new_line in zip_longest(old[a:b], new[c:d]):
            left.append((kind, old_line) if old_line is not None else ("gap", ""))
            right.append((kind, new_line) if new_line is not None else ("gap", ""))
    return left, right
