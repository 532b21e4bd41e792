"""Conditional requests, with the same ETag as tornado computes in the stock gateway: a hash of the response body.

https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
"""

import re
from http import HTTPStatus

from gateway.http.request import Request
from gateway.http.response import OK, Response

try:
    # hashlib's sha1 is OpenSSL's, which takes eight times as long when it runs between two system calls.
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha1

_TAG = re.compile(r'(?:W/)?"[^"]*"')


def apply(response: Response, request: Request) -> None:
    """Add an `Etag` to a 200 response to GET or HEAD; turn it into a 304 if the client has that version."""
    if response.status != OK or request.method not in ("GET", "HEAD"):
        return
    for name, value in response.headers:
        if name.lower() == "etag":
            tag = value
            break
    else:
        tag = f'"{sha1(response.body).hexdigest()}"'  # noqa: S324 - not used for security
        response.headers.append(("Etag", tag))
    if_none_match = request.headers.get("If-None-Match")
    if if_none_match and _matches(tag, if_none_match if isinstance(if_none_match, str) else ", ".join(if_none_match)):
        response.status = HTTPStatus.NOT_MODIFIED
        response.headers = [pair for pair in response.headers if not pair[0].lower().startswith("content-")]
        response.body = b""


def _matches(tag: str, if_none_match: str) -> bool:
    """Whether the client has this version: one of its entity tags is the same by weak comparison, or all are meant.

    A cell may set a tag without quotation marks, which a client can only send back as it is.
    """
    if if_none_match.strip() in ("*", tag):
        return True
    return tag.removeprefix("W/") in [each.removeprefix("W/") for each in _TAG.findall(if_none_match)]
