"""Test API: one call of the served notebook, as a person fills it in on the homepage."""

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from control.deployment.gateway_client import UnixConnection
from control.traffic.api_client import read, translate_errors

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")  # those that a cell can be annotated with
BODIES = {"POST": "{}", "PUT": "{}", "PATCH": "{}"}  # what to begin with, where a body is usual
SHOWN = 100_000  # bytes of a body
# Everything that means something in a path or a query, and % so that what is quoted already stays as it is.
LEFT_ALONE = "/?&=%:;@!$'()*+,~[]"


@dataclass(frozen=True)
class ManualRequest:
    """What is to be called: `path` as the notebook writes it, without /invoke, with its query."""

    method: str = "GET"
    path: str = "/"
    body: str = ""

    @classmethod
    def suggested(cls, endpoints: list[dict[str, str]]) -> "ManualRequest":
        """GET /hello_world where there is one, else the first GET, else the first endpoint."""
        known = [(endpoint["method"], endpoint["path"]) for endpoint in endpoints]
        gets = [one for one in known if one[0] == "GET"]
        wanted = [one for one in gets if one[1] == "/hello_world"]
        method, path = next(iter(wanted or gets or known), ("GET", "/hello_world"))
        return cls(method, path, BODIES.get(method, ""))

    def content_type(self) -> str:
        """A body that is JSON is sent as JSON."""
        try:
            json.loads(self.body)
        except ValueError:
            return "text/plain; charset=utf-8"
        return "application/json"


@dataclass(frozen=True)
class ManualResponse:
    """What the endpoint answered; `text` is None where the body is no text, and at most SHOWN bytes of it."""

    code: int
    reason: str
    milliseconds: float
    size: int  # bytes
    media_type: str
    text: str | None

    @property
    def is_cut(self) -> bool:
        return self.size > SHOWN


def call(api_socket: Path, trial: ManualRequest, headers: Mapping[str, str], timeout: float) -> ManualResponse:
    """Call the served API; `headers` are added to the trial's own. Raises NoAnswer.

    The call goes to the socket that nginx calls, so that it works without a password in a script.
    """
    connection = UnixConnection(api_socket, timeout)
    sent = dict(headers) | {"Connection": "close"}
    if trial.body:
        sent["Content-Type"] = trial.content_type()
    started = time.perf_counter()
    with closing(connection), translate_errors(timeout):
        target = "/invoke" + quote("/" + trial.path.strip().lstrip("/"), safe=LEFT_ALONE)
        connection.request(trial.method, target, trial.body.encode() or None, sent)
        response = connection.getresponse()
        body, size = read(response, SHOWN, started + timeout)
        return _answer(response, body, size, time.perf_counter() - started)


def _answer(response: http.client.HTTPResponse, body: bytes, size: int, seconds: float) -> ManualResponse:
    charset = response.msg.get_content_charset("utf-8")
    try:
        # A body that was cut may end within a character.
        text = body.decode(charset, errors="ignore" if size > SHOWN else "strict")
    except (UnicodeDecodeError, LookupError):
        text = None
    if text is not None and "\0" in text:
        text = None
    media_type = response.msg.get_content_type()
    return ManualResponse(response.status, response.reason, 1000 * seconds, size, media_type, text)
