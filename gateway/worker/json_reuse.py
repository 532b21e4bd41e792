"""Lets the first json.loads(REQUEST) of a cell reuse the body that was parsed already.

Whether a body is JSON is only known once it is parsed, and the first thing that a cell does with REQUEST is to
parse it again: for an event of 10 KB a quarter of the kernel's time for its request. Later calls, and other
strings, are parsed as usual.
"""

import json
from collections.abc import Callable
from json.decoder import JSONDecoder
from typing import Any

_parse = JSONDecoder.decode  # quicker than super()


class ReusingDecoder(JSONDecoder):
    """Decodes one string at a time, the latest that was offered, without parsing it."""

    def __init__(self) -> None:
        super().__init__()
        self._text: str | None = None
        self._load: Callable[[], Any] | None = None

    def install(self) -> None:
        """Become the decoder of json.loads without options, which looks it up at each call."""
        json._default_decoder = self  # type: ignore[attr-defined]

    def offer(self, text: str, load: Callable[[], Any]) -> None:
        """`load` returns what a parse of `text`, this very object, would return. It is called once at most."""
        self._text, self._load = text, load

    def withdraw(self) -> None:
        self._text = self._load = None

    def decode(self, s: str, *args: Any) -> Any:
        if s is not self._text or self._load is None:
            return _parse(self, s, *args)
        load = self._load
        self.withdraw()
        return load()
