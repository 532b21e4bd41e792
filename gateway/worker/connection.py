"""One connection: reads its request, sends its response.

The fast path makes no detour through the event loop: nginx sends its request right after it connects, and most
responses fit into the socket's buffer. Everything else is a task.
"""

import asyncio
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.http.parser import RequestParser
from gateway.http.request import Request
from gateway.http.response import BodyStream, Response, json_error, rejection
from gateway.http.wire import RejectedRequest
from gateway.records import log
from gateway.records.record import BODY_LIMIT
from gateway.records.recorder import Recorder
from gateway.worker.acceptor import Acceptor
from gateway.worker.dispatch import Dispatcher
from gateway.worker.endpoint import Call
from gateway.worker.runner import Runner
from gateway.worker.streamed_call import StreamedCall
from gateway.worker.streaming import StreamSender

_SLOW_READ_S = 60.0
_SLOW_WRITE_S = 60.0
_CLIENT_CLOSED_REQUEST = 499  # nginx's status for it


@dataclass(frozen=True, slots=True)
class Context:
    """What all connections of a worker share. `on_close` is called with each connection once it is closed."""

    loop: asyncio.AbstractEventLoop
    acceptor: Acceptor
    dispatcher: Dispatcher
    runner: Runner
    recorder: Recorder | None
    max_body_bytes: int
    on_close: "Callable[[Connection], None]"


class Connection:
    """Reads one request from `sock`, sends the response, and closes."""

    __slots__ = ("_body", "_call", "_context", "_parser", "_request", "_sender", "_sock", "_started", "_task")

    def __init__(self, sock: socket.socket, context: Context) -> None:
        self._sock = sock
        self._context = context
        self._parser = RequestParser(context.max_body_bytes)
        self._request: Request | None = None
        self._call: Call[Any] | None = None
        self._sender: StreamSender | None = None
        self._task: asyncio.Task[Response | None] | asyncio.Task[None] | None = None
        self._started = time.monotonic()

    def start(self) -> bool:
        """Read and respond. Returns whether the kernel is idle again, also if the response is not sent yet."""
        try:
            if self._parser.receive(self._sock):
                return self._respond()
        except RejectedRequest as error:
            self._reject(error)
            return True
        except OSError:
            self.close()
            return True
        # No other request until this one has had its turn: an idle kernel would get it.
        self._context.acceptor.pause()
        self._task = self._context.loop.create_task(self._read_rest())
        return False

    def close(self) -> None:
        """End the connection, in any state."""
        self._close_call()
        self._task = None
        self._sock.close()
        self._context.on_close(self)

    def close_copy(self) -> None:
        """Close only this process's copy of the socket, after a fork."""
        self._sock.close()

    async def _read_rest(self) -> None:
        """Wait for the rest of the request, then respond."""
        self._sock.setblocking(False)
        try:
            async with asyncio.timeout(_SLOW_READ_S):
                while not await self._parser.receive_more(self._sock, self._context.loop):
                    pass
            self._respond()
        except RejectedRequest as error:
            self._reject(error)
        except TimeoutError:
            self._reject(RejectedRequest(408, "request-timeout", "the request took too long to arrive"))
        except OSError:
            self.close()
        finally:
            self._context.acceptor.resume()

    def _respond(self) -> bool:
        try:
            return self._run()
        except RejectedRequest as error:
            self._reject(error)
        except Exception:  # a fault in this program must not leave the client waiting
            log.write_lines(self._request.request_id if self._request else log.NO_REQUEST, traceback.format_exc())
            self._send(json_error(500, "internal-error", "internal error", self._request))
        return True

    def _run(self) -> bool:
        request = self._request = self._parser.request()
        self._body = request.content[:BODY_LIMIT]  # for the record
        target = self._context.dispatcher.dispatch(request)
        if isinstance(target, Response):
            self._send(target)
            return True
        endpoint, path = target
        runner = self._context.runner
        call = self._call = runner.open(endpoint, request, path)
        if not endpoint.is_async:
            self._send(runner.run(call))
            return True
        self._task = runner.start(call, self._send_async)
        self._context.loop.add_reader(self._sock, self._on_early_data)
        return False

    def _on_early_data(self) -> None:
        """While a cell awaits or streams, the client has nothing to send: most likely it has disconnected."""
        self._context.loop.remove_reader(self._sock)
        try:
            is_disconnected = not self._sock.recv(1, socket.MSG_DONTWAIT)
        except OSError:
            is_disconnected = True
        if is_disconnected:
            if self._task is not None:
                self._task.cancel()
            if self._sender is not None and self._sender.end():
                return
            self._record(Response(_CLIENT_CLOSED_REQUEST, []), 0)
            self.close()

    def _reject(self, error: RejectedRequest) -> None:
        self._send(rejection(error, self._request))

    def _send_async(self, response: Response) -> None:
        self._context.loop.remove_reader(self._sock)
        self._send(response)

    def _send(self, response: Response) -> None:
        if response.stream is not None and self._call is not None:
            self._send_stream(response, response.stream, self._call)
            return
        data = self._context.dispatcher.render(response, self._request)
        try:
            sent = self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:  # the client has disconnected
            sent = len(data)
        self._close_call()  # after the response, so that the client does not wait for it
        self._record(response, len(response.body))
        if sent < len(data):
            self._task = self._context.loop.create_task(self._send_rest(data[sent:]))
        else:
            self.close()

    async def _send_rest(self, data: bytes) -> None:
        self._sock.setblocking(False)
        try:
            async with asyncio.timeout(_SLOW_WRITE_S):
                await self._context.loop.sock_sendall(self._sock, data)
        except OSError:
            pass
        finally:
            self.close()

    def _send_stream(self, response: Response, stream: BodyStream, call: Call[Any]) -> None:
        """Send a body that a generator makes; if that is exclusive, the kernel is busy until its end."""
        loop, acceptor, is_http_1_1 = self._context.loop, self._context.acceptor, self._parser.is_http_1_1()
        streamed = StreamedCall(self._context.runner, call, stream)
        head = partial(self._context.dispatcher.head, call.request)
        sender = StreamSender(streamed, self._sock, is_http_1_1, head, self._send_async, self._end_stream)
        if streamed.is_exclusive:
            acceptor.pause()

        def on_limit() -> None:  # ends it at once, whether or not the task reacts to its cancellation
            sender.end_at_limit()
            task.cancel()

        def on_done(_: asyncio.Task[None]) -> None:
            timer.cancel()
            if streamed.is_exclusive:
                acceptor.resume()

        self._sock.setblocking(False)
        self._sender = sender
        self._task = task = loop.create_task(sender.run(response))
        timer = loop.call_at(call.deadline, on_limit)
        task.add_done_callback(on_done)
        loop.add_reader(self._sock, self._on_early_data)

    def _end_stream(self, response: Response, sent: int) -> None:
        self._context.loop.remove_reader(self._sock)
        self._context.loop.remove_writer(self._sock)  # before another connection has this descriptor
        self._close_call()
        self._record(response, sent)
        self.close()

    def _close_call(self) -> None:
        if self._call is not None and not self._call.is_over:
            self._context.runner.close(self._call)

    def _record(self, response: Response, bytes_out: int) -> None:
        recorder, call = self._context.recorder, self._call
        if recorder is not None and self._request is not None:
            cell_fields = (call.endpoint.index, call.output.stderr) if call else ()
            recorder.record_request(self._request, self._body, response, self._started, bytes_out, *cell_fields)
