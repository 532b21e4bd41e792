"""Test API: a request to the served notebook, as entered on the homepage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from control.deployment import unix_http
from control.traffic.api_client import NoResponse, translate_errors
from control.traffic.exchange import decode_text

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")  # those that a cell can be annotated with
DEFAULT_BODIES = {"POST": "{}", "PUT": "{}", "PATCH": "{}"}  # for the methods that usually have a body
MAX_BODY = 100_000  # bytes shown of a response body
# Everything that has a meaning in a path or a query, and %, so that what is quoted already stays as it is.
SAFE = "/?&=%:;@!$'()*+,~[]"


@dataclass(frozen=True)
class ManualRequest:
    """`path` as the notebook writes it, without /invoke, with its query."""

    method: str = "GET"
    path: str = "/"
    body: str = ""

    @classmethod
    def of(cls, endpoint: Mapping[str, Any]) -> "ManualRequest":
        """The notebook's example of an endpoint; without one its path as annotated, and the usual body."""
        method, example = endpoint["method"], endpoint.get("example", {})
        body = example.get("body") or ("" if example.get("form") else DEFAULT_BODIES.get(method, ""))
        return cls(method, example.get("path", endpoint["path"]), body)

    @classmethod
    def suggest(cls, endpoints: Sequence[Mapping[str, Any]]) -> "ManualRequest":
        """GET /hello_world if it exists, else the first GET, else the first endpoint."""
        gets = [endpoint for endpoint in endpoints if endpoint["method"] == "GET"]
        preferred = [endpoint for endpoint in gets if endpoint["path"] == "/hello_world"]
        return cls.of(next(iter(preferred or gets or endpoints), {"method": "GET", "path": "/hello_world"}))

    def content_type(self) -> str:
        """Raises NoResponse where nobody could read the body."""
        try:
            json.loads(self.body)
        except ValueError:
            return "text/plain; charset=utf-8"
        except RecursionError:
            raise NoResponse("The body is JSON that is nested too deeply to be read, so it was not sent.") from None
        return "application/json"


@dataclass(frozen=True)
class ManualResponse:
    """`text` holds at most MAX_BODY bytes of the body; None where it is binary."""

    code: int
    reason: str
    milliseconds: float
    size: int  # bytes
    media_type: str
    text: str | None

    @property
    def is_cut(self) -> bool:
        return self.size > MAX_BODY


def send(api_socket: Path, request: ManualRequest, headers: Mapping[str, str], timeout: float) -> ManualResponse:
    """Send the request to the served API, `headers` beside its own. Raises NoResponse.

    It goes to the socket that nginx uses, so it needs no password.
    """
    with translate_errors(timeout):
        headers = dict(headers) | {"Connection": "close"}
        if request.body:
            headers["Content-Type"] = request.content_type()
        target = "/invoke" + quote("/" + request.path.strip().lstrip("/"), safe=SAFE)
        body = request.body.encode() or None
        response = unix_http.send(api_socket, request.method, target, headers, body, timeout=timeout, max_body=MAX_BODY)
    charset = response.headers.get_content_charset("utf-8")
    return ManualResponse(
        code=response.status,
        reason=response.reason,
        milliseconds=1000 * response.seconds,
        size=response.size,
        media_type=response.headers.get_content_type(),
        text=decode_text(response.body, response.size > MAX_BODY, charset),
    )
