"""What a slot's gateway says of itself, asked over its admin socket."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class GatewayStatus:
    """`ready`: every kernel has run the notebook and answers. `endpoints`: [{"method", "path"}, …].

    `problems`: what looks like an annotation and is none, [{"cell", "line", "text", "message"}, …];
    `kernels` alive now, `kernel_deaths` since the slot was started, `queue` how many requests wait for a
    kernel, None where the system does not tell.
    """

    ready: bool
    endpoints: list[dict[str, str]]
    problems: list[dict[str, Any]]
    kernels: int
    kernel_deaths: int
    queue: int | None = None


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def get(unix_socket: Path, path: str, timeout: float = 2) -> tuple[int, bytes]:
    """Status and body of a GET over a unix socket; raises OSError or http.client.HTTPException."""
    connection = UnixConnection(unix_socket, timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def status(admin_socket: Path) -> GatewayStatus | None:
    """The gateway's word; None while it does not answer."""
    try:
        code, body = get(admin_socket, "/status")
        answer: dict[str, Any] = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return GatewayStatus(**answer) if code == 200 else None
