"""What of a request's head is kept secret: the values of headers and query parameters whose names say so."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

MASKED = "***"  # in place of a parameter's value; a masked header has none
_SECRET = re.compile(
    r"authoriz|cookie|secret|token|passw|passphrase|credential|jwt"
    r"|(api|access|private|signing)[-_]?key|(^|[-_])auth([-_]|$)",
    re.IGNORECASE,
)

Masked = list[tuple[str, str | None]]


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a header or parameter of this name holds what nobody else may see."""
    return _SECRET.search(name) is not None


def headers(pairs: Iterable[tuple[str, str]]) -> Masked:
    """The headers in their order, None in place of a secret value."""
    return [(name, None if is_secret(name) else str(value)) for name, value in pairs]


def target(raw: str) -> str:
    """A path with its query, as received, secret parameters masked."""
    path, mark, query = raw.partition("?")
    return path + mark + "&".join(_field(field) for field in query.split("&")) if mark else raw


def _field(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={MASKED}" if equals and is_secret(unquote_plus(name)) else field
