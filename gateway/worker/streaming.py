"""Sends a body that a generator makes, piece by piece."""

import asyncio
import socket
from collections.abc import Callable

from gateway.http.response import WITHOUT_BODY, Response
from gateway.http.wire import LAST_CHUNK, chunk
from gateway.records import log
from gateway.records.record import BODY_LIMIT
from gateway.worker.streamed_call import StreamedCall, StreamError


class StreamSender:
    """Sends a response to `call`, whose pieces it generates, to `sock`, which must be non-blocking.

    `head` renders the head of a response; the flag is whether its body is sent as chunks, else it is delimited by the
    end of the connection. A chunked body that breaks off lacks its last chunk, so that the client notices: nginx needs
    `proxy_http_version 1.1` for that.

    One of these is called: `on_failure` with an error response, as no head was sent yet; or `on_end` with the response
    for the record, with the beginning of its body, and the bytes that were sent of it.
    """

    def __init__(
        self,
        call: StreamedCall,
        sock: socket.socket,
        is_http_1_1: bool,
        head: Callable[[Response, bool], bytes],
        on_failure: Callable[[Response], None],
        on_end: Callable[[Response, int], None],
    ) -> None:
        self._streamed = call
        self._call = call.call
        self._sock = sock
        self._is_http_1_1 = is_http_1_1
        self._head = head
        self._on_failure = on_failure
        self._on_end = on_end
        self._response: Response | None = None  # once its head is sent
        self._is_complete = False  # nothing more is to be sent
        self._sent = 0
        self._beginning = bytearray()

    async def run(self, response: Response) -> None:
        """Generate the first piece; then send the head and all pieces, until the body ends or breaks off."""
        try:
            begun = await self._streamed.begin(response)
            if begun is response:
                self._response = response
                await self._send(response)
            elif begun is not None:
                self._is_complete = True
                self._on_failure(begun)
        finally:
            await self._streamed.close()
            self.end()

    def end(self) -> bool:
        """End the response, if its head was sent and nothing has ended it yet; returns whether that was so."""
        if self._response is None or self._call.is_over:
            return False
        self._call.output.log_stdout()
        self._response.body = bytes(self._beginning)
        self._on_end(self._response, self._sent)
        return True

    def end_at_limit(self) -> None:
        """The same at the time limit, at which it breaks off."""
        if self._is_complete or self._call.is_over:
            pass  # what is left is the cell's cleanup
        elif self._response is None:
            self._on_failure(self._streamed.response_at_limit())
        else:
            self._response.is_broken_off = True
            self._response.traceback = "the response body was cut off at the time limit"
            log.write_lines(self._call.request.request_id, self._response.traceback)
        self.end()

    async def _send(self, response: Response) -> None:
        try:
            if self._call.request.method == "HEAD" or response.status in WITHOUT_BODY:
                await asyncio.get_running_loop().sock_sendall(self._sock, self._head(response, False))
            else:
                await self._send_pieces(response, self._head(response, self._is_http_1_1))
        except StreamError as error:
            response.is_broken_off = True
            response.traceback = str(error)
        except OSError:
            pass  # the client has disconnected, which is no failure of the cell
        self._is_complete = True

    async def _send_pieces(self, response: Response, head: bytes) -> None:
        loop = asyncio.get_running_loop()
        piece: bytes | None = response.body
        while piece is not None:
            self._sent += len(piece)
            self._beginning += piece[: BODY_LIMIT - len(self._beginning)]
            framed = chunk(piece) if piece and self._is_http_1_1 else piece
            await loop.sock_sendall(self._sock, head + framed)
            await asyncio.sleep(0)  # lets cells that await run
            head, piece = b"", await self._streamed.next_piece()
            self._call.output.log_stdout()
        if self._is_http_1_1:
            await loop.sock_sendall(self._sock, LAST_CHUNK)
