"""Conditional requests, as tornado answers them for the stock gateway: a hash of the body, and 304.

https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
"""

import hashlib
from http import HTTPStatus

from gateway.worker.answer import Answer
from gateway.worker.request import Request


def condition(answer: Answer, request: Request) -> None:
    """Give a successful answer to GET or HEAD its `Etag`, and make it 304 if the caller has that already."""
    if answer.status != HTTPStatus.OK or request.method not in ("GET", "HEAD"):
        return
    tag = next((value for name, value in answer.headers if name.lower() == "etag"), "")
    if not tag:
        tag = f'"{hashlib.sha1(answer.body, usedforsecurity=False).hexdigest()}"'
        answer.headers.append(("Etag", tag))
    known = request.header("If-None-Match")
    if known and (known.strip() == "*" or tag in known):
        answer.status = HTTPStatus.NOT_MODIFIED
        answer.headers = [pair for pair in answer.headers if not pair[0].lower().startswith("content-")]
        answer.body = b""
