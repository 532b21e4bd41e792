"""Test API: a request to a served project, as entered on the homepage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from control.config.run_dir import RunDir, api_address
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
    """`path` as the notebook writes it, without the API's address, with its query."""

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


def send(
    run: RunDir, project: str | None, request: ManualRequest, headers: Mapping[str, str], timeout: float
) -> ManualResponse:
    """Send the request to a project at its own address, or to the default one at /invoke/. Raises NoResponse.

    `headers` are sent beside its own. It goes to the socket that nginx uses, so it needs no password.
    """
    address, link = (quote(api_address(project)), run.api_link(project)) if project else ("/invoke", run.default_link)
    target = address + quote("/" + request.path.strip().lstrip("/"), safe=SAFE)
    headers = dict(headers) | {"Connection": "close"}
    if request.body:
        headers["Content-Type"] = request.content_type()
    body = request.body.encode() or None
    with translate_errors(project, timeout):
        socket = link.resolve(strict=True) / "api.sock"
        response = unix_http.send(socket, request.method, target, headers, body, timeout=timeout, max_body=MAX_BODY)
    charset = response.headers.get_content_charset("utf-8")
    return ManualResponse(
        code=response.status,
        reason=response.reason,
        milliseconds=1000 * response.seconds,
        size=response.size,
        media_type=response.headers.get_content_type(),
        text=decode_text(response.body, response.size > MAX_BODY, charset),
    )
