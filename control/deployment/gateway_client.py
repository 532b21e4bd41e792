"""The client of a gateway's admin socket."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control.deployment import unix_http

# Seconds. One that did not respond in time is asked for a shorter time, until it does: a page shows all of them.
TIMEOUT, TIMEOUT_OF_SILENT = 2, 0.1


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


class GatewayClient:
    def __init__(self, admin_socket: Path) -> None:
        self.admin_socket = admin_socket
        self.timeout: float = TIMEOUT

    def fetch_status(self) -> GatewayStatus | None:
        """None while the gateway does not respond."""
        try:
            response = unix_http.send(self.admin_socket, "GET", "/status", timeout=self.timeout)
            status: dict[str, Any] = json.loads(response.body)
        except TimeoutError:
            self.timeout = TIMEOUT_OF_SILENT
            return None
        except (*unix_http.ERRORS, ValueError):
            self.timeout = TIMEOUT  # for the next gateway
            return None
        self.timeout = TIMEOUT
        return GatewayStatus(**status) if response.status == 200 else None
