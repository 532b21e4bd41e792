"""An HTTP request, and the JSON string REQUEST that a cell reads it from.

As in the stock gateway (kernel_gateway.notebook_http.request_utils):

    body      parsed JSON, {field: [values]} of a form, or the text; "" without one
    args      query parameters: {name: [values]}
    path      path parameters: {name: value}
    headers   {Name-In-This-Case: value}, a list of values if it came more than once

and besides

    method    "GET", …
    url       the path with its query, as received
    files     {field: [{"filename", "content_type", "body_base64"}]} for multipart bodies with files
    body_base64   for a body that is not UTF-8 text; `body` is null then

`application/json` with parameters and `application/…+json` are JSON. A body that claims to be JSON and is not
stays text, as in stock, unless it is nested too deep to be parsed. `Authorization` is removed.
"""

import itertools
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from gateway.http.body import decode_body, decode_fields
from gateway.http.wire import RejectedRequest

_HIDDEN = ("Authorization", "Proxy-Authorization")

_VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_request_numbers = itertools.count(1)
_worker_id = secrets.token_hex(4)

Headers = dict[str, str | list[str]]  # {Name-In-This-Case: value}, a list if it came more than once

# As json.dumps, without its search for cycles, which parsed data cannot have. Short strings are quoted one by one:
# setting up an encoder takes longer than the encoding.
_quote = json.encoder.encode_basestring_ascii
_to_json = json.JSONEncoder(check_circular=False).encode


class Request:
    """One complete request.

    `request_id` is the client's X-Request-Id if that is safe to log, else a new one. `size` is the length of the
    body in bytes. `content` is the body as it was sent, until the call that runs for it is closed.
    """

    __slots__ = ("content", "headers", "method", "request_id", "size", "target")

    def __init__(self, method: str, target: bytes, headers: Headers, content: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        for name in _HIDDEN:
            headers.pop(name, None)
        self.content = content
        self.size = len(content)
        client_id = self.header("X-Request-Id")
        self.request_id = client_id if _VALID_ID.fullmatch(client_id) else f"{_worker_id}-{next(_request_numbers):x}"

    @property
    def url(self) -> str:
        return self.target.decode("latin-1")

    def header(self, name: str) -> str:
        """The first value of the header, "" without one."""
        value = self.headers.get(name, "")
        return value if isinstance(value, str) else value[0]

    def encode(self, path: dict[str, str]) -> tuple[str, Callable[[], dict[str, Any]]]:
        """REQUEST, and a function that returns what json.loads(REQUEST) would, without a second parse of the body.

        `path` are the path parameters. RejectedRequest: the query or the body cannot be decoded, or a form has too many
        fields.
        """
        try:
            body = decode_body(self.header("Content-Type"), self.content)
            _, has_query, query = self.target.partition(b"?")
            args = decode_fields(query) if has_query else {}
            extra = f", {_to_json(dict(body.extra))[1:-1]}" if body.extra else ""
            text = (
                f'{{"body": {_to_json(body.value) if body.text is None else body.text}, '
                f'"args": {_to_json(args) if args else "{}"}, "path": {_to_json(path) if path else "{}"}, '
                f'"headers": {_headers_json(self.headers)}, '
                f'"method": {_quote(self.method)}, "url": {_quote(self.url)}{extra}}}'
            )
        except (ValueError, RecursionError) as error:
            raise RejectedRequest(400, "bad-request", f"cannot be decoded: {error}") from None

        def value() -> dict[str, Any]:
            return {
                "body": body.value,
                "args": args,
                "path": dict(path),
                "headers": dict(self.headers),
                "method": self.method,
                "url": self.url,
                **body.extra,
            }

        return text, value


def _headers_json(headers: Headers) -> str:
    lines = [f"{_quote(name)}: {_quote(v) if type(v) is str else _to_json(v)}" for name, v in headers.items()]
    return f"{{{', '.join(lines)}}}"
