"""Conditional requests, as tornado answers them for the stock gateway: a hash of the body, and 304.

https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
"""

from http import HTTPStatus

from gateway.http.request import Request
from gateway.http.response import Response

try:
    # OpenSSL's, which hashlib takes, costs eight times as much between two system calls.
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha1

_METHODS = frozenset({"GET", "HEAD"})
_OK = int(HTTPStatus.OK)


def condition(answer: Response, request: Request) -> None:
    """Give a successful answer to GET or HEAD its `Etag`, and make it 304 if the caller has that already."""
    if answer.status != _OK or request.method not in _METHODS:
        return
    for name, value in answer.headers:
        if name.lower() == "etag":
            tag = value
            break
    else:
        tag = f'"{sha1(answer.body).hexdigest()}"'  # noqa: S324 - it guards nothing
        answer.headers.append(("Etag", tag))
    known = request.header("If-None-Match")
    if known and (known.strip() == "*" or tag in known):
        answer.status = HTTPStatus.NOT_MODIFIED
        answer.headers = [pair for pair in answer.headers if not pair[0].lower().startswith("content-")]
        answer.body = b""
