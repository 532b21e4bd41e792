"""How a body, and the difference of two, is shown to a person."""

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from control.traffic.exchange import Exchange, Message

COMPARED = 2000  # lines; more take too long to compare
# Each call has its own.
OF_EACH_CALL = frozenset({"connection", "content-length", "date", "transfer-encoding", "x-request-id"})

Kind = Literal["same", "changed", "only", "gap"]
Row = tuple[Kind, str]


def pretty(message: Message) -> str | None:
    """The body as text, JSON with its lines; None where it is no text."""
    text = message.body.text
    if text is None or message.body.cut or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.dumps(json.loads(text, parse_float=_exact), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _exact(text: str) -> float:
    """The number. ValueError: it would be shown otherwise than it was written."""
    if repr(float(text)) != text:
        raise ValueError(text)
    return float(text)


@dataclass(frozen=True)
class Comparison:
    """Two answers to the same call: what differs, in words, and their bodies line by line, side by side."""

    before: Exchange
    after: Exchange

    @property
    def differences(self) -> list[str]:
        """Among "status", "headers" and "body"."""
        found = []
        if self.before.status != self.after.status:
            found.append("status")
        if self.changed_headers:
            found.append("headers")
        if not self.is_same_body:
            found.append("body")
        return found

    @property
    def is_same_body(self) -> bool:
        before, after = self._bodies()
        return before == after

    @property
    def is_known(self) -> bool:
        """Whether both bodies were kept in full."""
        return not (self.before.response.body.cut or self.after.response.body.cut)

    @property
    def changed_headers(self) -> list[tuple[str, str | None, str | None]]:
        """(name, value before, value after) of those that differ; None: absent."""
        old, new = _headers(self.before), _headers(self.after)
        if "etag" in old and not self.is_same_body:  # says what the body says
            old.pop("etag", None)
            new.pop("etag", None)
        names = dict.fromkeys([*old, *new])
        return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]

    @property
    def rows(self) -> tuple[list[Row], list[Row]]:
        """The lines of both bodies, as many on each side; empty where one is no text."""
        texts = [pretty(self.before.response), pretty(self.after.response)]
        if None in texts:
            return [], []
        old, new = ((text or "").splitlines() for text in texts)
        if len(old) > COMPARED or len(new) > COMPARED:
            kind: Kind = "same" if old == new else "changed"
            return [(kind, line) for line in old], [(kind, line) for line in new]
        return _aligned(old, new)

    def _bodies(self) -> tuple[object, object]:
        """Without the request id, which an error of ours has in its body."""
        return tuple(_without_id(call) for call in (self.before, self.after))  # type: ignore[return-value]


def _without_id(call: Exchange) -> object:
    body = call.response.body
    return (body.text.replace(call.request_id, "") if body.text is not None else body.base64), body.cut


def _headers(call: Exchange) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in call.response.headers:
        key = name.lower()
        if key not in OF_EACH_CALL:
            found[key] = ", ".join(filter(None, [found.get(key), value or "masked"]))
    return found


def _aligned(old: list[str], new: list[str]) -> tuple[list[Row], list[Row]]:
    left: list[Row] = []
    right: list[Row] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new).get_opcodes():
        kind: Kind = "same" if tag == "equal" else "changed" if tag == "replace" else "only"
        for mine, others in zip_longest(old[a:b], new[c:d]):
            left.append((kind, mine) if mine is not None else ("gap", ""))
            right.append((kind, others) if others is not None else ("gap", ""))
    return left, right
