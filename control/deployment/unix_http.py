"""HTTP requests over unix sockets.

With http.client: httpx would add 90 ms and 6 MB to the start of the control app, and normalizes targets.
"""

import http.client
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ERRORS = (OSError, http.client.HTTPException)  # what `send` raises when there is no response
CHUNK = 65536  # bytes


@dataclass(frozen=True)
class Response:
    """`body` holds the first `max_body` of `size` bytes; `seconds` from connecting to the end of the body."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes
    size: int
    seconds: float


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def send(
    unix_socket: Path,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    timeout: float,
    max_body: int = sys.maxsize,
) -> Response:
    """Send a request on a connection of its own; raises ERRORS, and ValueError for what HTTP cannot transport.

    `timeout` in seconds limits each step, and all of them together while the body arrives.
    """
    began = time.perf_counter()
    connection = UnixConnection(unix_socket, timeout)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        content, size = b"", 0
        while chunk := response.read(CHUNK):
            content += chunk[: max_body - len(content)]
            size += len(chunk)
            if time.perf_counter() - began > timeout:
                raise TimeoutError
        return Response(response.status, response.reason, response.msg, content, size, time.perf_counter() - began)
    finally:
        connection.close()
