"""Masks the values of headers and query parameters whose names say that they are secret."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

MASK = "***"  # in place of a parameter's value, or of a Referer's query; a masked header has no value
# `userPwd` is read as `user-Pwd`. Long words may be within others; the short ones (`pass`, `pwd`) must be words of
# their own, not parts of `compass`; `sid` must be the whole name, as `AccountSid` only identifies the caller.
_SECRET = re.compile(
    r"authoriz|authentication|cookie|secret|token|passw|passphrase|credential|jwt"
    r"|(api|access|private|signing|functions|subscription)[^a-z0-9]?key"
    r"|(?<!s)sess(ion)?[^a-z0-9]?id(?![a-z])"  # `JSESSIONID` and `PHPSESSID` too, but no `assess_id`
    r"|(?<![a-z0-9])((auth|pwd)(?![a-z0-9])|(pass|session)[^a-z0-9]*$)|^sid$",
    re.IGNORECASE,
)
# In a URL a signature grants access. In a header, as webhooks have it, it is a digest of the body: it grants nothing
# else, and is needed to find out why a request is refused.
_SIGNATURE = re.compile(r"(?<![a-z0-9])(sig|signature)[^a-z0-9]*$", re.IGNORECASE)
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# A parameter of a URL in a header, perhaps as `<URL>; rel=next`, also in its fragment.
_PARAMETER = re.compile(r"([?&#])([^=&#?\s]+)=[^&#>\s]*")


@lru_cache(maxsize=256)
def is_secret(name: str) -> bool:
    """Whether the value of a header of this name is secret."""
    return _SECRET.search(_NEXT_WORD.sub("-", name)) is not None


@lru_cache(maxsize=256)
def is_secret_in_url(name: str) -> bool:
    """Whether the value of a parameter is; `name` is as in the URL."""
    words = _NEXT_WORD.sub("-", unquote_plus(name))
    return (_SECRET.search(words) or _SIGNATURE.search(words)) is not None


def mask_headers(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str | None]]:
    """The headers in their order, None in place of a secret value, secret parameters of URLs in them masked."""
    return [(name, None if is_secret(name) else _mask_value(name, str(value))) for name, value in pairs]


def mask_url(url: str) -> str:
    """A path with its query, as received, secret parameters masked."""
    path, mark, query = url.partition("?")
    return path + mark + "&".join(_mask_field(field) for field in query.split("&")) if mark else url


def _mask_field(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={MASK}" if equals and is_secret_in_url(name) else field


def _mask_value(name: str, value: str) -> str:
    if "?" not in value and "#" not in value:
        return value
    address, mark, _ = value.partition("?")
    if mark and name.lower() == "referer":  # of another site: the meaning of its parameters is unknown
        return f"{address}?{MASK}"
    return _PARAMETER.sub(_mask_parameter, value)


def _mask_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={MASK}" if is_secret_in_url(match[2]) else match[0]
