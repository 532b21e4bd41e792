"""A call that goes on after its cells have run, to generate its body piece by piece."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway.http.response import BodyStream, Response
from gateway.records import log
from gateway.worker.endpoint import Call
from gateway.worker.output import CURRENT
from gateway.worker.runner import Result, Runner, put_request
from gateway.worker.time_limit import TimeLimit


class StreamedCall:
    """Generates the body `stream` of `call`. Unless this `is_exclusive`, other calls may run between its steps.

    So each step has the call's own REQUEST and output.
    """

    def __init__(self, runner: Runner, call: Call[Any], stream: BodyStream) -> None:
        self._runner = runner
        self.call = call
        self._stream = stream
        self.is_exclusive = call.endpoint.is_exclusive and not stream.is_async
        if call.context is runner.context and not self.is_exclusive:
            call.context = call.context.copy()
        if not call.is_detached:  # flask.abort may follow with another stream
            call.shadowed, call.is_detached = put_request(call, call.shadowed), True

    async def begin(self, response: Response) -> Response | None:
        """`response` with the first piece of its body, or an error response; None if the call is over."""
        begun = self._runner.executor.begin_stream(self.call, response, self._stream)
        return await self._runner.complete(self.call, self._drive(begun, self.call.deadline))

    async def next_piece(self) -> bytes | None:
        """The next piece, None after the last, or if the call is over. StreamError: the cell failed."""
        try:
            return await self._drive(self._stream.next_piece(), self.call.deadline)
        except BaseException as error:
            if self.call.is_over:
                return None
            raise StreamError(self._traceback(error)) from None

    async def close(self) -> None:
        """Let the cell clean up, within a limit of its own; an exception is only logged."""
        started, limit_s = time.monotonic(), self.call.endpoint.limit_s
        slot = self._runner.scoreboard.begin(self.call.request.request_id.encode(), started, limit_s, True)
        try:
            async with asyncio.timeout_at(started + limit_s):
                await self._drive(self._stream.close(), started + limit_s)
        except BaseException as error:
            self._traceback(error)
        finally:
            self._runner.scoreboard.end(slot)

    def response_at_limit(self) -> Response:
        return self._runner.error_response(TimeLimit(), self.call)

    def _drive(self, inner: Coroutine[Any, Any, Result], deadline: float) -> Awaitable[Result]:
        def step(advance: Callable[[Any], Any], value: Any, deadline: float) -> Any:
            return self.call.context.run(self._step, advance, value, deadline)

        return self._runner.drive(inner, deadline, step)

    def _step(self, advance: Callable[[Any], Any], value: Any, deadline: float) -> Any:
        call = self.call
        CURRENT.set(call.output)
        if call.is_over:
            return self._runner.step(advance, value, deadline)
        call.shadowed, call.is_detached = put_request(call, call.shadowed), False
        try:
            return self._runner.step(advance, value, deadline)
        finally:
            if not call.is_over:  # a cell may run the loop, and with it the end of its call, inside itself
                call.shadowed, call.is_detached = put_request(call, call.shadowed), True

    def _traceback(self, error: BaseException) -> str:
        """What is logged of an exception that cannot be the response any more; flask.abort's has no traceback."""
        trace = self._runner.error_response(error, self.call).traceback
        if not trace:
            trace = f"{type(error).__name__}: {error}"
            log.write_lines(self.call.request.request_id, trace)
        return trace


class StreamError(Exception):
    """A cell failed while it generated a body; the message is the traceback."""
