"""json.loads(REQUEST) without parsing the body a second time.

Whether a body is JSON is only known once it is parsed, and the first thing that a cell does with REQUEST is to
parse it again: for an event of 10 KB half of all the time that its request takes. So what was parsed is handed
over to the first json.loads of that very string. Whoever asks again gets a parse of his own, and any other
string is none of our business.
"""

import json
from collections.abc import Callable
from json.decoder import JSONDecoder
from typing import Any

_parse = JSONDecoder.decode
_default = json._default_decoder  # type: ignore[attr-defined]  # that of json.loads without options


class JsonReuse:
    """Holds what one string at a time stands for; the latest `offer` counts."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._make: Callable[[], Any] | None = None

    def install(self) -> None:
        """Let json.loads take what is offered."""

        def decode(decoder: JSONDecoder, text: str, *args: Any) -> Any:
            if text is self._text and decoder is _default:
                return self._take()
            return _parse(decoder, text, *args)

        JSONDecoder.decode = decode  # type: ignore[method-assign, assignment]

    def offer(self, text: str, make: Callable[[], Any]) -> None:
        """`make` gives what a parse of `text`, this very object, would give."""
        self._text, self._make = text, make

    def withdraw(self) -> None:
        """Forget the offer."""
        self._text = self._make = None

    def _take(self) -> Any:
        make = self._make
        self.withdraw()
        return make() if make else None
