"""Replay: a call that was kept is sent again, to what is served now."""

import base64
import re
import secrets
import time
from contextlib import closing
from dataclasses import dataclass
from http.client import RemoteDisconnected
from pathlib import Path
from urllib.parse import quote

from control.config.errors import ReplayError
from control.config.run_dir import RunDir
from control.deployment.gateway_client import UnixConnection
from control.traffic.api_client import NoResponse, read, translate_errors
from control.traffic.exchange import Body, Exchange, Message, Text
from control.traffic.history import History

MASKED = "***"  # what gateway/records/redaction.py puts in place of a secret parameter, or of a Referer's query
MASKED_IN_URL = re.compile(r"[?&#][^=&#?\s]+=\*\*\*(?=[&#>\s]|$)|\?\*\*\*$")
# What belongs to one connection, or to one call alone.
NOT_AGAIN = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade", "x-request-id"}
)
TOLD_WITHIN = 1.0  # seconds in which a kernel tells of a call
SHOWN = 64 * 1024  # bytes of an answer


@dataclass(frozen=True)
class ReplayResult:
    """`left_out` names the headers and parameters that were masked, and so could not be sent."""

    before: Exchange
    after: Exchange
    left_out: list[str]


def replay(call: Exchange, run: RunDir, inspector: History, timeout: float) -> ReplayResult:
    """Send `call` again, on the socket that nginx uses; `timeout` in seconds. Raises ReplayError."""
    body = content(call)
    target, left_out = without_masked(call.path)
    shown = {name: value for name, value in call.request.headers if value and not is_masked(value)}
    headers = {name: value for name, value in shown.items() if name.lower() not in NOT_AGAIN}
    left_out += [name for name, value in call.request.headers if is_masked(value)]
    request_id = f"replay-{secrets.token_hex(6)}"
    headers |= {"X-Request-Id": request_id, "Connection": "close"}
    again = ReplayRequest(call, target, headers, body, timeout)
    answer = again.answer(run)
    # The record has what the cell said besides; it may be late where other calls keep the kernel busy.
    return ReplayResult(call, inspector.wait_for(request_id, TOLD_WITHIN) or answer, left_out)


def content(call: Exchange) -> bytes:
    """The request's body. Raises ReplayError where it was not kept in full."""
    if call.refused:
        raise ReplayError(
            "nginx answered this call by itself, so neither its body nor its query was kept: it cannot be sent again."
        )
    body = call.request.body
    if body.cut:
        raise ReplayError(
            f"Of this call's body of {body.size:,} bytes only the beginning was kept, so it cannot be sent again."
        )
    return base64.b64decode(body.base64) if body.base64 is not None else (body.text or "").encode()


def is_masked(value: str | None) -> bool:
    """Whether a header's value was masked, or a part of a URL in it: what is left is not what the caller sent."""
    return value is None or MASKED_IN_URL.search(value) is not None


def without_masked(path: str) -> tuple[str, list[str]]:
    """The path to send, without the parameters that were masked, and their names."""
    path, mark, query = path.partition("?")
    fields = query.split("&") if mark else []
    masked = [field for field in fields if field.endswith(f"={MASKED}")]
    kept = "&".join(field for field in fields if field not in masked)
    target = path + mark + kept if kept else path
    # What is not ASCII came as raw bytes.
    quoted = "".join(char if " " < char <= "~" else quote(char.encode("latin-1", "replace")) for char in target)
    return quoted, [field.partition("=")[0] for field in masked]


@dataclass(frozen=True)
class ReplayRequest:
    """A request to be sent."""

    call: Exchange
    target: str
    headers: dict[str, str]
    body: bytes
    timeout: float

    def answer(self, run: RunDir) -> Exchange:
        """What is answered; in the place of a kernel that dies its gateway tells why, as it tells nginx."""
        began = time.perf_counter()
        try:
            with translate_errors(self.timeout):
                try:
                    return self._send(run.api_socket, self.call.method, self.target, self.headers)
                except (ConnectionResetError, BrokenPipeError, RemoteDisconnected, BlockingIOError) as error:
                    asked = {
                        "X-Failed-Method": self.call.method,
                        "X-Failed-Target": self.target,
                        "X-Failed-After": f"{time.perf_counter() - began:.3f}",
                        "X-Connect-Time": "-" if isinstance(error, BlockingIOError) else "0",
                    }
                    return self._send(run.api_admin_socket, "POST", "/explain", self.headers | asked)
        except NoResponse as error:
            raise ReplayError(str(error)) from None

    def _send(self, socket: Path, method: str, target: str, headers: dict[str, str]) -> Exchange:
        at, began = time.time(), time.perf_counter()
        with closing(UnixConnection(socket, self.timeout)) as connection:
            connection.request(method, target, self.body or None, headers)
            response = connection.getresponse()
            kept, size = read(response, SHOWN, began + self.timeout)
            seconds = time.perf_counter() - began
        nothing = Text(0, False, "")
        return Exchange(
            id="",
            at=at,
            seconds=seconds,
            method=self.call.method,
            path=self.target,
            endpoint=None,
            status=response.status,
            request_id=headers["X-Request-Id"],
            request=self.call.request,
            response=Message(list(response.getheaders()), as_body(kept, size)),
            stderr=nothing,
            traceback=nothing,
        )


def as_body(kept: bytes, size: int) -> Body:
    is_cut = len(kept) < size
    try:
        text = kept.decode(errors="ignore" if is_cut else "strict")
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text:
        return Body(size, is_cut, base64=base64.b64encode(kept).decode())
    return Body(size, is_cut, text=text)
