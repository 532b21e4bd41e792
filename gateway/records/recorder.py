"""Sends counts and records of requests to the control app, in batches.

The first requests of a period are sent one by one and at once, so that nothing is lost when the next one ends the
kernel; the rest together at its end. A period ends once a second, so that sending takes about 1 % of the time at any
load. A batch that the control app has not confirmed is sent again.
"""

import asyncio
import socket
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from gateway.http.request import Request
from gateway.http.response import Response
from gateway.records import log
from gateway.records.batch import Batch
from gateway.records.record import BODY_LIMIT, NO_TEXT, Excerpt, Record

PERIOD_S = 1.0
SENT_AT_ONCE = 10  # batches of a period
CONFIRM_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_S = 1.0
MAX_UNCONFIRMED = 16  # batches
CONFIRMED = b"\n"


class Recorder:
    """Records requests in the thread of the event loop. It never blocks and never raises.

    `address` is the control app's socket; `endpoints` are the paths, as annotated, that indices refer to. Without
    `keeps_records` requests are only counted.
    """

    def __init__(self, address: Path, endpoints: Sequence[str], *, keeps_records: bool) -> None:
        self._address = str(address)
        self._endpoints = endpoints
        self._keeps_records = keeps_records
        self._batch = Batch()
        self._remaining = SENT_AT_ONCE  # in this period
        self._timer: asyncio.TimerHandle | None = None  # the end of this period
        self._unconfirmed: set[asyncio.Task[None]] = set()
        self._flush: asyncio.Future[None] | None = None

    def record_request(
        self,
        request: Request,
        request_body: bytes,
        response: Response,
        started: float,
        response_size: int,
        endpoint: int = -1,
        stderr: Excerpt = NO_TEXT,
    ) -> None:
        """A request and its response; `started` is of time.monotonic, `request_body` the body's beginning."""
        seconds = monotonic() - started
        self._batch.count(endpoint, request.method, response.status, seconds)
        if self._keeps_records:
            body = b"" if request.method == "HEAD" else response.body[:BODY_LIMIT]
            status, headers, trace = response.status, response.headers, Excerpt.tail(response.traceback)
            record = Record(
                request, request_body, status, headers, body, response_size, endpoint, started, seconds, stderr, trace
            )
            self._batch.add(record)
        if self._remaining:
            self._send_at_once()

    def record_death(self) -> None:
        """A kernel ended and is being replaced."""
        self._batch.deaths += 1
        if self._remaining:
            self._send_at_once()

    async def flush(self) -> None:
        """Send what is left; returns when all is confirmed, or after FLUSH_TIMEOUT_S."""
        if self._batch:
            self._send()
        if self._unconfirmed:
            await asyncio.wait(self._unconfirmed, timeout=FLUSH_TIMEOUT_S)

    def flush_then(self, callback: Callable[[], None]) -> None:
        """Flush, then call `callback`."""
        self._flush = asyncio.ensure_future(self.flush())
        self._flush.add_done_callback(lambda _: callback())

    def _send_at_once(self) -> None:
        self._remaining -= 1
        self._send_if_allowed()
        self._start_period()

    def _start_period(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self._end_period)

    def _end_period(self) -> None:
        self._timer = None
        self._remaining = SENT_AT_ONCE
        if self._batch:
            self._send_if_allowed()
            self._start_period()

    def _send_if_allowed(self) -> None:
        if len(self._unconfirmed) < MAX_UNCONFIRMED:
            self._send()

    def _send(self) -> None:
        batch, self._batch = self._batch, Batch()
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # no file descriptors are left
            self._take_back(batch)
            return
        try:
            connection.connect(self._address)
            message = batch.encode(self._endpoints)
            sent = connection.send(message)
        except OSError:  # also if its backlog is full
            connection.close()
            self._take_back(batch)
            return
        except Exception:  # a fault in this program must not fail a request
            connection.close()
            log.write_lines(log.NO_REQUEST, traceback.format_exc())
            return
        task = asyncio.get_running_loop().create_task(self._complete(connection, message[sent:], batch))
        self._unconfirmed.add(task)
        task.add_done_callback(self._unconfirmed.discard)

    async def _complete(self, connection: socket.socket, rest: bytes, batch: Batch) -> None:
        """Send what the socket did not take at once, and wait for the confirmation."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                if rest:  # the peer closes after its confirmation, and then even an empty send fails
                    await loop.sock_sendall(connection, rest)
                if await loop.sock_recv(connection, 1) == CONFIRMED:
                    return
        except (OSError, TimeoutError):
            pass
        finally:
            connection.close()
        self._take_back(batch)

    def _take_back(self, batch: Batch) -> None:
        batch.merge(self._batch)
        self._batch = batch
        self._start_period()
