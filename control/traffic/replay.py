"""Replay: sends a stored request again, to its project's API as it is served now."""

import re
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from control.config.errors import ReplayError
from control.config.run_dir import RunDir
from control.deployment import unix_http
from control.traffic.api_client import NoResponse, translate_errors
from control.traffic.exchange import Body, Exchange, Message, Text
from control.traffic.history import History

MASK = "***"  # what gateway/records/redaction.py puts in place of a secret parameter, or of a Referer's query
MASK_IN_URL = re.compile(r"[?&#][^=&#?\s]+=\*\*\*(?=[&#>\s]|$)|\?\*\*\*$")
# Headers of one connection or of one request alone.
UNREPEATABLE_HEADERS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade", "x-request-id"}
)
RECORD_TIMEOUT = 1.0  # seconds for the kernel's record to arrive
MAX_BODY = 64 * 1024  # bytes stored of a response body


@dataclass(frozen=True)
class ReplayResult:
    """`left_out` names the headers and parameters that could not be sent, as they are masked."""

    before: Exchange
    after: Exchange
    left_out: list[str]


def replay(exchange: Exchange, run: RunDir, history: History, timeout: float) -> ReplayResult:
    """Send the request again, on the socket that nginx uses; `timeout` in seconds. Raises ReplayError."""
    body = request_body(exchange)
    target, left_out = remove_masked(exchange.path)
    complete = {name: value for name, value in exchange.request.headers if value and not is_masked(value)}
    headers = {name: value for name, value in complete.items() if name.lower() not in UNREPEATABLE_HEADERS}
    left_out += [name for name, value in exchange.request.headers if is_masked(value)]
    request_id = f"replay-{secrets.token_hex(6)}"
    headers |= {"X-Request-Id": request_id, "Connection": "close"}
    response = ReplayRequest(exchange, target, headers, body, timeout).send(run)
    # The kernel's record has the cell's output too; it may be late where other requests keep the kernel busy.
    return ReplayResult(exchange, history.wait_for(request_id, RECORD_TIMEOUT) or response, left_out)


def request_body(exchange: Exchange) -> bytes:
    """Raises ReplayError where the body was not stored in full."""
    if exchange.is_rejected:
        raise ReplayError(
            "nginx rejected this request, so neither its body nor its query is stored: it cannot be sent again."
        )
    body = exchange.request.body
    if body.cut:
        raise ReplayError(
            f"Of this request's body of {body.size:,} bytes only the beginning is stored: it cannot be sent again."
        )
    return body.to_bytes()


def is_masked(value: str | None) -> bool:
    """Whether a header's value was masked, or a part of a URL in it, so that the caller's value is not known."""
    return value is None or MASK_IN_URL.search(value) is not None


def remove_masked(path: str) -> tuple[str, list[str]]:
    """The path to send, without masked parameters, and the names of those."""
    path, mark, query = path.partition("?")
    fields = query.split("&") if mark else []
    masked = [field for field in fields if field.endswith(f"={MASK}")]
    query = "&".join(field for field in fields if not field.endswith(f"={MASK}"))
    target = path + mark + query if query else path
    # What is not ASCII came as raw bytes.
    quoted = "".join(char if " " < char <= "~" else quote(char.encode("latin-1", "replace")) for char in target)
    return quoted, [field.partition("=")[0] for field in masked]


@dataclass(frozen=True)
class ReplayRequest:
    original: Exchange
    target: str
    headers: dict[str, str]
    body: bytes
    timeout: float

    def send(self, run: RunDir) -> Exchange:
        """If the kernel dies, the gateway responds with the reason, as it does for nginx."""
        began, project = time.perf_counter(), self.original.project or ""
        try:
            with translate_errors(project, self.timeout):
                slot = run.api_link(project).resolve(strict=True)
                try:
                    return self._send(slot / "api.sock", self.original.method, self.target, self.headers)
                except (ConnectionResetError, BrokenPipeError, BlockingIOError) as error:
                    headers = self.headers | {
                        "X-Failed-Method": self.original.method,
                        "X-Failed-Target": self.target,
                        "X-Failed-After": f"{time.perf_counter() - began:.3f}",
                        "X-Connect-Time": "-" if isinstance(error, BlockingIOError) else "0",
                    }
                    return self._send(slot / "admin.sock", "POST", "/explain", headers)
        except NoResponse as error:
            raise ReplayError(str(error)) from None

    def _send(self, socket: Path, method: str, target: str, headers: dict[str, str]) -> Exchange:
        at = time.time()
        response = unix_http.send(
            socket, method, target, headers, self.body or None, timeout=self.timeout, max_body=MAX_BODY
        )
        return replace(
            self.original,
            id="",
            at=at,
            seconds=response.seconds,
            path=self.target,
            endpoint=None,
            status=response.status,
            request_id=headers["X-Request-Id"],
            response=Message(list(response.headers.items()), Body.from_bytes(response.body, response.size)),
            stderr=Text(),
            traceback=Text(),
            is_broken_off=False,
        )
