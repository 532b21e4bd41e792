"""Lets the first json.loads(REQUEST) of a cell reuse the body that was parsed already.

Whether a body is JSON is only known once it is parsed, and the first thing that a cell does with REQUEST is to
parse it again: for an event of 10 KB a quarter of the kernel's time for its request. Later calls, and other
strings, are parsed as usual.
"""

import json
from collections.abc import Callable
from json.decoder import JSONDecoder
from typing import Any

_parse = JSONDecoder.decode
_default = json._default_decoder  # type: ignore[attr-defined]  # that of json.loads without options


class JsonReuse:
    """Holds the value of one string at a time; the latest `offer` counts."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._make: Callable[[], Any] | None = None

    def install(self) -> None:
        """Have json.loads use what is offered."""

        def decode(decoder: JSONDecoder, text: str, *args: Any) -> Any:
            if text is self._text and decoder is _default:
                return self._take()
            return _parse(decoder, text, *args)

        JSONDecoder.decode = decode  # type: ignore[method-assign, assignment]

    def offer(self, text: str, make: Callable[[], Any]) -> None:
        """`make` returns what a parse of `text`, this very object, would return."""
        self._text, self._make = text, make

    def withdraw(self) -> None:
        self._text = self._make = None

    def _take(self) -> Any:
        make = self._make
        self.withdraw()
        return make() if make else None
