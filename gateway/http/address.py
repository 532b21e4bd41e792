"""The addresses of an API: one of its own, `/apis/<project>`, and `/invoke` while it is the default API."""

import re

DEFAULT = "/invoke"


def _spellings(word: str) -> str:
    """A regular expression for all that nginx reads as this word: each letter may be percent-encoded."""
    return "".join(f"(?:{letter}|(?i:%{ord(letter):x}))" for letter in word)


# A regular expression for both. nginx has routed a request here, so that any project's name is this API's, however it
# is spelled.
PATTERN = f"/(?:{_spellings('invoke')}|{_spellings('apis')}/[^/]+)"
_ADDRESS = re.compile(f"{PATTERN}(?![^/])".encode())


def split(target: bytes) -> tuple[bytes, bytes]:
    """The address in a request's target, as sent, and the path below it, without the query; (b"", path) without one."""
    path = target.partition(b"?")[0]
    match = _ADDRESS.match(path)
    end = match.end() if match else 0
    return path[:end], path[end:]


def is_own(target: bytes) -> bool:
    """Whether a request's target begins with `/apis/<project>`."""
    return split(target)[0] not in (b"", DEFAULT.encode())
