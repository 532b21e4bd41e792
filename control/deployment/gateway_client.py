"""The client of a gateway's admin socket."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control.deployment import unix_http

TIMEOUT = 2  # seconds


@dataclass(frozen=True)
class GatewayStatus:
    """`ready`: every kernel has run the notebook and takes requests. `endpoints`: [{"method", "path"}, …],
    with `example`, the {"path", "body"} of a request, where the notebook has one.

    `problems`: comments that look like an annotation but are none, or may be meant otherwise,
    [{"cell", "line", "text", "message"}, …]; `kernels` alive now, `kernel_deaths` since the slot was started, `queue`
    how many requests wait for a kernel, None where the system does not report it.
    """

    ready: bool
    endpoints: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    kernels: int
    kernel_deaths: int
    queue: int | None = None


def fetch_status(admin_socket: Path) -> GatewayStatus | None:
    """None while the gateway does not respond."""
    try:
        response = unix_http.send(admin_socket, "GET", "/status", timeout=TIMEOUT)
        status: dict[str, Any] = json.loads(response.body)
    except (*unix_http.ERRORS, ValueError):
        return None
    return GatewayStatus(**status) if response.status == 200 else None
