"""Answers in place of the kernels while none of them can be brought up: nobody is left to wait for ever."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.arbiter.channel import run_in_background
from gateway.http import wire
from gateway.http.response import error_body

LINGER = 1.0  # seconds for a caller to take its answer
KEPT = 128 * 1024  # bytes of a request, for its record


class Outage:
    """While it lasts, each request on the listening socket gets a 503 with `Retry-After`.

    `on_rejection` gets the beginning of the request, the body of the answer, and when it came (time.monotonic).
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._response = b""
        self._body = b""
        self.on_rejection: Callable[[bytes, bytes, float], None] = lambda request, body, started: None

    def begin(self, why: str, retry_after: float) -> None:
        """Answer with `why` from now on; `retry_after` in seconds."""
        body = self._body = error_body("no-kernel", f"The notebook cannot be run: {why}")
        headers = [("Content-Type", "application/json"), ("Retry-After", str(max(1, round(retry_after))))]
        self._response = wire.head(503, headers, wire.content_length(body)) + body
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def end(self) -> None:
        """Leave the requests to the kernels again."""
        asyncio.get_running_loop().remove_reader(self._listener)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            run_in_background(self._refuse(connection))

    async def _refuse(self, connection: socket.socket) -> None:
        loop, body, started = asyncio.get_running_loop(), self._body, time.monotonic()
        request = bytearray()
        with connection, suppress(OSError, TimeoutError):
            await loop.sock_sendall(connection, self._response)
            connection.shutdown(socket.SHUT_WR)
            # A unix socket that is closed with unread bytes in it takes the answer away from the caller.
            async with asyncio.timeout(LINGER):
                while data := await loop.sock_recv(connection, 65536):
                    request += data[: KEPT - len(request)]
        self.on_rejection(bytes(request), body, started)
