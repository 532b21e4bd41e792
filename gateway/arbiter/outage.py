"""Rejects requests while no kernel can be started, so that no caller waits for ever."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.arbiter.channel import run_in_background
from gateway.http import wire
from gateway.http.response import error_body

LINGER_TIMEOUT = 1.0  # seconds for a caller to read the response
REQUEST_LIMIT = 128 * 1024  # bytes of a request, for its record


class Outage:
    """Between `start` and `end`, each request on the listening socket gets a 503 with `Retry-After`.

    `on_rejection` gets the beginning of the request, the response body, and the time of arrival (time.monotonic).
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._response = b""
        self._body = b""
        self.on_rejection: Callable[[bytes, bytes, float], None] = lambda request, body, started: None

    def start(self, why: str, retry_after: float) -> None:
        """Reject requests, with the reason; `retry_after` in seconds."""
        body = self._body = error_body("no-kernel", f"The notebook cannot be run: {why}")
        headers = [("Content-Type", "application/json"), ("Retry-After", str(max(1, round(retry_after))))]
        self._response = wire.head(503, headers, wire.content_length(body)) + body
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def end(self) -> None:
        """Leave requests to the kernels again."""
        asyncio.get_running_loop().remove_reader(self._listener)

    def _accept(self) -> None:
        with suppress(OSError):  # also if no file descriptors are left for now
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            run_in_background(self._reject(connection))

    async def _reject(self, connection: socket.socket) -> None:
        loop, body, started = asyncio.get_running_loop(), self._body, time.monotonic()
        request = bytearray()
        with connection, suppress(OSError, TimeoutError):
            await loop.sock_sendall(connection, self._response)
            connection.shutdown(socket.SHUT_WR)
            # Closing a unix socket with unread bytes would discard the response.
            async with asyncio.timeout(LINGER_TIMEOUT):
                while data := await loop.sock_recv(connection, 65536):
                    request += data[: REQUEST_LIMIT - len(request)]
        self.on_rejection(bytes(request), body, started)
