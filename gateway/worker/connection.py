"""One connection: its request, read as it comes, and its answer, as fast as it is taken.

The fast path makes no detour through the event loop: what nginx sends is there a moment after it connects,
and most answers fit into the socket's buffer. All else is a task.
"""

import asyncio
import socket
import time
import traceback
from typing import TYPE_CHECKING

from gateway.http.parser import RequestParser
from gateway.http.request import Request
from gateway.http.response import Response, json_error
from gateway.http.wire import RejectedRequest
from gateway.records import log
from gateway.records.record import BODY_LIMIT
from gateway.worker.endpoint import Call
from gateway.worker.streaming import StreamSender

if TYPE_CHECKING:
    from gateway.worker.server import Server

_SLOW_READ_S = 60.0
_SLOW_WRITE_S = 60.0
CLIENT_LEFT = 499  # as nginx logs it


class Connection:
    """Reads one request from `sock`, has `server` answer it, and closes."""

    __slots__ = ("_call", "_loop", "_ran", "_reader", "_request", "_sent", "_server", "_sock", "_started", "_task")

    def __init__(self, sock: socket.socket, server: "Server") -> None:
        self._sock = sock
        self._server = server
        self._loop = server.loop
        self._reader = RequestParser(server.config.max_body_bytes)
        self._request: Request | None = None
        self._call: Call | None = None
        self._ran: Call | None = None  # the same, also once it is over
        self._task: asyncio.Task[Response | None] | asyncio.Task[None] | None = None
        self._started = time.monotonic()

    def start(self) -> bool:
        """Read and answer. Whether that is done, as far as it keeps the kernel busy."""
        try:
            if self._reader.receive(self._sock):
                return self._answer()
        except RejectedRequest as refused:
            self._refuse(refused)
            return True
        except OSError:
            self.close()
            return True
        # Until this request has had its turn no other may: an idle kernel would get it.
        self._server.acceptor.pause()
        self._task = self._loop.create_task(self._read_on())
        return False

    def close(self) -> None:
        """Whatever the state, the end."""
        self._end_call()
        self._task = None
        self._sock.close()
        self._server.forget(self)

    def close_copy(self) -> None:
        """Close only this process's copy of the socket, after a fork."""
        self._sock.close()

    async def _read_on(self) -> None:
        """Wait for the rest of the request, then answer."""
        self._sock.setblocking(False)
        try:
            async with asyncio.timeout(_SLOW_READ_S):
                while not await self._reader.receive_more(self._sock, self._loop):
                    pass
            self._answer()
        except RejectedRequest as refused:
            self._refuse(refused)
        except TimeoutError:
            self._refuse(RejectedRequest(408, "request-timeout", "the request took too long to arrive"))
        except OSError:
            self.close()
        finally:
            self._server.acceptor.resume()

    def _answer(self) -> bool:
        try:
            return self._dispatch()
        except RejectedRequest as refused:
            self._refuse(refused)
        except Exception:  # a fault in this program must not leave the caller waiting
            log.write_lines(self._request.request_id if self._request else log.NO_REQUEST, traceback.format_exc())
            self._send(json_error(500, "internal-error", "internal error", self._request))
        return True

    def _dispatch(self) -> bool:
        request = self._request = self._reader.request()
        self._sent = request.body[:BODY_LIMIT]
        found = self._server.site.find(request)
        if isinstance(found, Response):
            self._send(found)
            return True
        handler, path = found
        runner = self._server.runner
        call = self._call = self._ran = runner.open(handler, request, path)
        if not handler.awaits:
            self._send(runner.run(call))
            return True
        self._task = runner.start(call, self._send_awaited)
        self._loop.add_reader(self._sock, self._on_early_data)
        return False

    def _on_early_data(self) -> None:
        """While a cell awaits, the caller has nothing to say: most likely it has left."""
        self._loop.remove_reader(self._sock)
        try:
            has_left = not self._sock.recv(1, socket.MSG_DONTWAIT)
        except OSError:
            has_left = True
        if has_left:
            if self._task is not None:
                self._task.cancel()
            self._note(Response(CLIENT_LEFT, []), 0)
            self.close()

    def _refuse(self, refused: RejectedRequest) -> None:
        self._send(json_error(refused.status, refused.code, str(refused), self._request))

    def _send_awaited(self, answer: Response) -> None:
        self._loop.remove_reader(self._sock)
        self._send(answer)

    def _send(self, answer: Response) -> None:
        if answer.stream is not None and self._call is not None:
            body = StreamSender(self._server.runner, self._call, answer.stream, self._reader.speaks_1_1())
            self._send_stream(body, answer)
            return
        data = self._server.site.render(answer, self._request)
        try:
            sent = self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:  # the caller has left
            sent = len(data)
        self._end_call()  # after the answer, whose reader is not kept waiting for it
        self._note(answer, len(answer.body))
        if sent < len(data):
            self._task = self._loop.create_task(self._send_rest(data[sent:]))
        else:
            self.close()

    async def _send_rest(self, data: bytes) -> None:
        self._sock.setblocking(False)
        try:
            async with asyncio.timeout(_SLOW_WRITE_S):
                await self._loop.sock_sendall(self._sock, data)
        except OSError:
            pass
        finally:
            self.close()

    def _send_stream(self, body: StreamSender, answer: Response) -> None:
        """Send a body that a cell generates. If the cell does not await, that still belongs to its turn."""
        call, acceptor = body.call, self._server.acceptor
        if not call.handler.awaits:
            acceptor.pause()

        async def send() -> None:
            self._sock.setblocking(False)
            try:
                head = self._server.site.head(answer, call.request, body.is_chunked)
                await body.send(self._sock, head)
            finally:
                self._end_call()
                answer.body, answer.traceback = bytes(body.beginning), body.traceback
                self._note(answer, body.sent)
                self.close()
                if not call.handler.awaits:
                    acceptor.resume()

        self._task = self._loop.create_task(send())

    def _end_call(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            self._server.runner.close(call)

    def _note(self, answer: Response, bytes_out: int) -> None:
        recorder, ran = self._server.recorder, self._ran
        if recorder is not None and self._request is not None:
            of_cells = (ran.handler.index, ran.output.said()) if ran else ()
            recorder.record_request(self._request, self._sent, answer, self._started, bytes_out, *of_cells)
