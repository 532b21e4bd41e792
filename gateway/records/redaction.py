"""What of a request's head is kept secret: the values of headers and query parameters whose names say so."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

MASKED = "***"  # in place of a parameter's value, or of a Referer's query; a masked header has no value
# `userPwd` is read as `user-Pwd`. Words that are long enough may stand within others; the short ones (`pass`, `pwd`)
# must be words of their own, not parts of `compass`; and `sid` the whole name, for `AccountSid` only tells who calls.
_SECRET = re.compile(
    r"authoriz|authentication|cookie|secret|token|passw|passphrase|credential|jwt"
    r"|(api|access|private|signing|functions|subscription)[^a-z0-9]?key"
    r"|(?<!s)sess(ion)?[^a-z0-9]?id(?![a-z])"  # `JSESSIONID` and `PHPSESSID` too, but no `assess_id`
    r"|(?<![a-z0-9])((auth|pwd)(?![a-z0-9])|(pass|session)[^a-z0-9]*$)|^sid$",
    re.IGNORECASE,
)
# In a URL it opens what the URL names. In a header it is a digest of the body, as of a webhook: it opens nothing else,
# and whoever wonders why it is refused needs it.
_SIGNATURE = re.compile(r"(?<![a-z0-9])(sig|signature)[^a-z0-9]*$", re.IGNORECASE)
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# A parameter of a URL that stands in a header, perhaps as `<URL>; rel=next`; in a fragment there may be some too.
_PARAMETER = re.compile(r"([?&#])([^=&#?\s]+)=[^&#>\s]*")

Masked = list[tuple[str, str | None]]


@lru_cache(maxsize=256)
def is_secret(name: str) -> bool:
    """Whether a header of this name holds what nobody else may see."""
    return _SECRET.search(_NEXT_WORD.sub("-", name)) is not None


@lru_cache(maxsize=256)
def is_secret_in_url(name: str) -> bool:
    """Whether a parameter does, whose name is given as it stands in the URL."""
    words = _NEXT_WORD.sub("-", unquote_plus(name))
    return (_SECRET.search(words) or _SIGNATURE.search(words)) is not None


def headers(pairs: Iterable[tuple[str, str]]) -> Masked:
    """The headers in their order, None in place of a secret value, URLs in them without secrets."""
    return [(name, None if is_secret(name) else _without_secrets(name, str(value))) for name, value in pairs]


def target(raw: str) -> str:
    """A path with its query, as received, secret parameters masked."""
    path, mark, query = raw.partition("?")
    return path + mark + "&".join(_field(field) for field in query.split("&")) if mark else raw


def _field(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={MASKED}" if equals and is_secret_in_url(name) else field


def _without_secrets(name: str, value: str) -> str:
    if "?" not in value and "#" not in value:
        return value
    address, mark, _ = value.partition("?")
    if mark and name.lower() == "referer":  # of another site: nobody here knows what its parameters mean
        return f"{address}?{MASKED}"
    return _PARAMETER.sub(_parameter, value)


def _parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={MASKED}" if is_secret_in_url(match[2]) else match[0]
