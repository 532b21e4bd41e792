"""A body that a cell generates piece by piece: a flask.Response around a generator."""

import asyncio
import socket

from gateway.http.response import BodyStream
from gateway.http.wire import LAST_CHUNK, chunk
from gateway.records import log
from gateway.records.record import BODY_LIMIT
from gateway.worker.endpoint import Call
from gateway.worker.runner import Runner, StreamError


class StreamSender:
    """The body that `pieces` make up; `sent` counts its bytes, `beginning` is the first of them.

    Chunked if the caller understands that, else ended by closing the connection. A chunked body that
    breaks off lacks its last chunk, so that the caller can tell: nginx must be told `proxy_http_version 1.1`.
    """

    def __init__(self, runner: Runner, call: Call, pieces: BodyStream, is_chunked: bool) -> None:
        self.sent = 0
        self.beginning = bytearray()
        self.traceback = ""  # of what ended it early
        self.call = call
        self._runner = runner
        self._pieces = pieces
        self.is_chunked = is_chunked

    async def send(self, sock: socket.socket, head: bytes) -> None:
        """Send the head and all pieces, as long as the call may take. `sock` must not block."""
        try:
            async with asyncio.timeout_at(self.call.deadline):
                await self._send(sock, head)
        except StreamError as broken:
            self.traceback = str(broken)
        except TimeoutError:
            self.traceback = "the time limit cut the response off"
            log.write_lines(self.call.request.request_id, self.traceback)
        except OSError:
            pass  # the caller has left
        finally:
            self._runner.end_pieces(self.call, self._pieces)

    async def _send(self, sock: socket.socket, head: bytes) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, head)
        if self.call.request.method == "HEAD":
            return
        while (piece := self._runner.piece(self.call, self._pieces)) is not None:
            if piece:
                await loop.sock_sendall(sock, chunk(piece) if self.is_chunked else piece)
                self.sent += len(piece)
                self.beginning += piece[: BODY_LIMIT - len(self.beginning)]
            await asyncio.sleep(0)  # cells that await get their turns
        if self.is_chunked:
            await loop.sock_sendall(sock, LAST_CHUNK)
