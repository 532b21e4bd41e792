"""Sends a body that a cell generates: a flask.Response around a generator."""

import asyncio
import socket
from typing import Any

from gateway.http.response import BodyStream
from gateway.http.wire import LAST_CHUNK, chunk
from gateway.records import log
from gateway.records.record import BODY_LIMIT
from gateway.worker.endpoint import Call
from gateway.worker.runner import Runner, StreamError


class StreamSender:
    """Sends the body of `stream`. `sent` counts its bytes, `beginning` are the first of them.

    With `is_chunked` as chunks, else delimited by the end of the connection. A chunked body that breaks off lacks
    its last chunk, so that the client notices: nginx needs `proxy_http_version 1.1` for that.
    """

    def __init__(self, runner: Runner, call: Call[Any], stream: BodyStream, is_chunked: bool) -> None:
        self.sent = 0
        self.beginning = bytearray()
        self.traceback = ""  # of what ended it early
        self.call = call
        self._runner = runner
        self._stream = stream
        self.is_chunked = is_chunked

    async def send(self, sock: socket.socket, head: bytes) -> None:
        """Send the head and the body, until the call's deadline. `sock` must be non-blocking."""
        try:
            async with asyncio.timeout_at(self.call.deadline):
                await self._send(sock, head)
        except StreamError as error:
            self.traceback = str(error)
        except TimeoutError:
            self.traceback = "the response body was cut off at the time limit"
            log.write_lines(self.call.request.request_id, self.traceback)
        except OSError:
            pass  # the client has disconnected
        finally:
            self._runner.close_stream(self.call, self._stream)

    async def _send(self, sock: socket.socket, head: bytes) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, head)
        if self.call.request.method == "HEAD":
            return
        while (data := self._runner.next_chunk(self.call, self._stream)) is not None:
            if data:
                await loop.sock_sendall(sock, chunk(data) if self.is_chunked else data)
                self.sent += len(data)
                self.beginning += data[: BODY_LIMIT - len(self.beginning)]
            await asyncio.sleep(0)  # lets cells that await run
        if self.is_chunked:
            await loop.sock_sendall(sock, LAST_CHUNK)
