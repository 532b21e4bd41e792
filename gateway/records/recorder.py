"""Collects what is told of requests, and brings it to the control app beside the work, in batches.

A few calls are told of one by one and at once, so that nothing is lost when the next one ends the kernel. The more
there are, the longer a batch waits, so that at any load telling takes about 1 % of the time. What the control app
has not confirmed is brought again: counts in full, of the records the last ones.
"""

import asyncio
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.http.request import Request
from gateway.http.response import Response
from gateway.records import log
from gateway.records.batch import Batch
from gateway.records.record import BODY_LIMIT, NO_TEXT, Excerpt

# A batch is followed by a pause of this many seconds, and as many for each record and byte of a body in it.
# Pauses up to BURST_S in all are let off at first.
FIXED_S, EACH_S, BYTE_S = 0.03, 0.005, 1e-6
BURST_S = 1.0
AGAIN_S = 1.0  # until the next try where nobody takes it
PATIENCE_S = 5.0  # for the control app to confirm
FAREWELL_S = 1.0  # for what is left at the end
MOST_UNCONFIRMED = 16
CONFIRMED = b"\n"


class Recorder:
    """Notes requests, in the thread of the event loop. It never blocks and never raises.

    `to` is the control app's socket; `endpoints` are the paths, as annotated, that indices stand for. Without
    `keeps_records` requests are counted only.
    """

    def __init__(self, to: Path, endpoints: Sequence[str], *, keeps_records: bool) -> None:
        self._to = str(to)
        self._endpoints = endpoints
        self._keeps_records = keeps_records
        self._batch = Batch()
        self._next = 0.0  # time.monotonic from which on the next batch may go
        self._timer: asyncio.TimerHandle | None = None
        self._unconfirmed: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[None] | None = None

    def record_request(
        self,
        request: Request,
        sent: bytes,
        answer: Response,
        started: float,
        bytes_out: int,
        endpoint: int = -1,
        stderr: Excerpt = NO_TEXT,
    ) -> None:
        """`request`, which came at `started` (time.monotonic) with a body that began with `sent`, has its `answer`."""
        now = time.monotonic()
        seconds = now - started
        self._batch.count(endpoint, request.method, answer.status, seconds)
        if self._keeps_records:
            body = b"" if request.method == "HEAD" else answer.body[:BODY_LIMIT]
            trace = Excerpt.tail(answer.traceback) if answer.traceback else NO_TEXT
            held = len(sent) + len(body) + len(stderr.text) + len(trace.text)
            status, headers = answer.status, answer.headers
            self._batch.keep(  # as Record has them
                [sent, body, stderr, trace, held, request, status, headers, bytes_out, endpoint, started, seconds]
            )
        if now >= self._next or self._timer is None:
            self._tell(now)

    def record_death(self) -> None:
        """A kernel ended and is being replaced."""
        self._batch.deaths += 1
        self._tell(time.monotonic())

    async def finish(self) -> None:
        """Bring what is left, if it can be done in a second."""
        if self._batch:
            self._send(time.monotonic())
        if self._unconfirmed:
            await asyncio.wait(self._unconfirmed, timeout=FAREWELL_S)

    def flush_then(self, call: Callable[[], None]) -> None:
        """Finish, then `call`."""
        self._end = asyncio.ensure_future(self.finish())
        self._end.add_done_callback(lambda _: call())

    def _tell(self, now: float) -> None:
        if now >= self._next and len(self._unconfirmed) < MOST_UNCONFIRMED:
            self._send(now)
        if self._batch and self._timer is None:
            wait = max(self._next - now, FIXED_S)
            self._timer = asyncio.get_running_loop().call_later(wait, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._batch:
            self._tell(time.monotonic())

    def _send(self, now: float) -> None:
        batch, self._batch = self._batch, Batch()
        self._next = max(self._next, now - BURST_S) + FIXED_S + EACH_S * len(batch.records) + BYTE_S * batch.bytes
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connection.connect(self._to)
            message = batch.encode(self._endpoints)
            sent = connection.send(message)
        except OSError:  # also where its backlog is full
            connection.close()
            self._take_back(batch)
            return
        except Exception:  # a fault in this program must not fail a request
            connection.close()
            log.write_lines(log.NO_REQUEST, traceback.format_exc())
            return
        work = asyncio.get_running_loop().create_task(self._complete(connection, message[sent:], batch))
        self._unconfirmed.add(work)
        work.add_done_callback(self._unconfirmed.discard)

    async def _complete(self, connection: socket.socket, rest: bytes, batch: Batch) -> None:
        """Send what the socket did not take at once, and see it confirmed."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                if rest:  # one that is confirmed by now is closed at the other end, and takes nothing, not even nothing
                    await loop.sock_sendall(connection, rest)
                if await loop.sock_recv(connection, 1) == CONFIRMED:
                    return
        except (OSError, TimeoutError):
            pass
        finally:
            connection.close()
        self._take_back(batch)
        self._tell(time.monotonic())

    def _take_back(self, batch: Batch) -> None:
        batch.absorb(self._batch)
        self._batch = batch
        self._next = time.monotonic() + AGAIN_S
