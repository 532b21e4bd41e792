"""Sends counts and records of requests to the control app, in batches.

The first requests of a period are sent one by one and at once, so that nothing is lost when the next one ends the
kernel; the rest together at its end. A period ends once a second, so that sending takes about 1 % of the time at any
load. A batch that the control app has not confirmed is sent again, with its number, so that it is counted once.
"""

import asyncio
import itertools
import os
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

    `address` is the control app's socket, `project` the one whose API is called; `endpoints` are the paths, as
    annotated, that indices refer to. Without `keeps_records` requests are only counted.
    """

    def __init__(self, address: Path, project: str, endpoints: Sequence[str], *, keeps_records: bool) -> None:
        self._address = str(address)
        self._project = project
        self._endpoints = endpoints
        self._keeps_records = keeps_records
        self._batch = Batch()
        self._remaining = SENT_AT_ONCE  # in this period
        self._timer: asyncio.TimerHandle | None = None  # the end of this period
        self._sender = os.urandom(8).hex()
        self._numbers = itertools.count()
        self._unconfirmed: dict[int, Batch] = {}  # by number; the control app may have stored them
        self._deliveries: dict[int, asyncio.Task[None]] = {}  # of those, while a confirmation may come
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
        if response.is_broken_off:
            self._batch.broken_off[endpoint, request.method] += 1
        if self._keeps_records:
            body = b"" if request.method == "HEAD" else response.body[:BODY_LIMIT]
            status, headers, trace = response.status, response.headers, Excerpt.tail(response.traceback)
            record = Record(
                request, request_body, status, headers, body, response_size, endpoint, started, seconds, stderr, trace
            )
            record.is_broken_off = response.is_broken_off
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
        self._send_again()
        if self._batch:
            self._send()
        if self._deliveries:
            await asyncio.wait(self._deliveries.values(), timeout=FLUSH_TIMEOUT_S)

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
        if self._unconfirmed:
            self._send_again()
            self._start_period()
        if self._batch:
            self._send_if_allowed()
            self._start_period()

    def _send_if_allowed(self) -> None:
        if len(self._unconfirmed) < MAX_UNCONFIRMED:
            self._send()

    def _send_again(self) -> None:
        for number in [number for number in self._unconfirmed if number not in self._deliveries]:
            if not self._deliver(number):
                return

    def _send(self) -> None:
        batch, self._batch = self._batch, Batch()
        number = next(self._numbers)
        self._unconfirmed[number] = batch
        if not self._deliver(number):
            del self._unconfirmed[number]
            batch.merge(self._batch)
            self._batch = batch
            self._start_period()

    def _deliver(self, number: int) -> bool:
        """Send an unconfirmed batch. False: the control app is away, or its backlog is full; it got nothing."""
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # no file descriptors are left
            return False
        try:
            connection.connect(self._address)
            batch, oldest = self._unconfirmed[number], min(self._unconfirmed)
            message = batch.encode(self._project, self._endpoints, self._sender, number, oldest)
            sent = connection.send(message)
        except OSError:
            connection.close()
            return False
        except Exception:  # a fault in this program must not fail a request
            connection.close()
            del self._unconfirmed[number]
            log.write_lines(log.NO_REQUEST, traceback.format_exc())
            return True
        task = asyncio.get_running_loop().create_task(self._complete(connection, message[sent:], number))
        self._deliveries[number] = task
        task.add_done_callback(lambda _: self._deliveries.pop(number))
        return True

    async def _complete(self, connection: socket.socket, rest: bytes, number: int) -> None:
        """Send what the socket did not take at once, and wait for the confirmation."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                if rest:  # the peer closes after its confirmation, and then even an empty send fails
                    await loop.sock_sendall(connection, rest)
                if await loop.sock_recv(connection, 1) == CONFIRMED:
                    del self._unconfirmed[number]
                    return
        except (OSError, TimeoutError):
            pass
        finally:
            connection.close()
        self._start_period()
