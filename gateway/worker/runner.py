"""Runs calls: in the one global namespace, one at a time; or beside others, if their cells await.

A cell without `await` never gives way, so it is a single step, in the main thread. One that awaits becomes a
task. Either way each step is under the watch.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import Any, TypeVar

from gateway.http.request import Request
from gateway.http.response import BodyStream, Response
from gateway.protocol.scoreboard import Scoreboard
from gateway.records import log
from gateway.worker.endpoint import Call, CellExecutor, CompiledEndpoint
from gateway.worker.error_response import ErrorResponses
from gateway.worker.json_reuse import JsonReuse
from gateway.worker.namespace import Namespaces
from gateway.worker.output import CURRENT, Output, OutputStreams, raise_displayed_errors
from gateway.worker.process import ForkGuard
from gateway.worker.time_limit import TimeLimit, Watchdog

_ABSENT = object()

Sent = TypeVar("Sent")
Yielded = TypeVar("Yielded")


class StreamError(Exception):
    """The body of a response ended before its time; its text is the traceback."""


class Runner:
    """Runs calls in this kernel, and shows on the page which."""

    def __init__(
        self, shell: Any, page: Scoreboard, watch: Watchdog, fork: ForkGuard, failures: ErrorResponses, max_output: int
    ):
        self._shell = shell
        self._page = page
        self._watch = watch
        self._fork = fork
        self._failures = failures
        self._max_output = max_output
        self._conduct = CellExecutor(shell, failures)
        self._globals: dict[str, Any] = shell.user_ns
        self._layers = Namespaces(shell.user_ns)
        self._streams = OutputStreams()
        self._handover = JsonReuse()
        self._context = copy_context()  # of the cells that do not await, all of them

    def take_over(self) -> None:
        """From now on what cells print and show belongs to their requests."""
        self._streams.lead()
        self._handover.install()
        raise_displayed_errors(self._shell)

    def open(self, handler: CompiledEndpoint, request: Request, path: dict[str, str]) -> Call:
        """A call about to run; `close` it. Refused: the request cannot be decoded."""
        text, value = request.describe(path)
        self._streams.restore()
        self._shell.events.trigger("pre_execute")
        output = Output(request.request_id, self._max_output)
        if handler.awaits:
            call = Call(handler, request, self._layers.new(), self._context.copy(), output)
            call.context.run(CURRENT.set, output)
        else:
            call = Call(handler, request, self._globals, self._context, output)
        call.shadowed = call.namespace.get("REQUEST", _ABSENT)
        call.namespace["REQUEST"] = text
        self._handover.offer(text, value)
        request_id = request.request_id.encode()
        call.slot = self._page.begin(request_id, handler.index, call.started, handler.limit_s)
        return call

    def close(self, call: Call) -> None:
        """The call is over: forget all of it. REQUEST is again what an ordinary cell made it, if one did."""
        call.is_over = True
        self._page.end(call.slot)
        call.output.close()
        self._handover.withdraw()
        call.namespace.pop("REQUEST_ERROR", None)
        if call.shadowed is _ABSENT:
            call.namespace.pop("REQUEST", None)
        else:
            call.namespace["REQUEST"] = call.shadowed
        self._shell.events.trigger("post_execute")

    def run(self, call: Call) -> Response:
        """The answer of cells that do not await."""
        try:
            return call.context.run(self._in_its_turn, call)
        except BaseException as error:  # an interrupt that reached the event loop would end the kernel
            return self._failed(error, call)

    def start(self, call: Call, done: Callable[[Response], None]) -> "asyncio.Task[Response | None]":
        """Run cells that await beside others; `done` gets the answer, unless the call is over before.

        At the limit it is called at once, whether or not the cancelled task heeds its cancellation.
        """

        def expire() -> None:
            done(self._failed(TimeLimit(), call))
            task.cancel()

        def ended(task: "asyncio.Task[Response | None]") -> None:
            timer.cancel()
            answer = None if task.cancelled() else task.result()
            if answer is not None and not call.is_over:
                done(answer)

        loop = asyncio.get_running_loop()
        timer = loop.call_at(call.deadline, expire)
        task = loop.create_task(self._beside_others(call), context=call.context)
        task.add_done_callback(ended)
        return task

    def _in_its_turn(self, call: Call) -> Response:
        CURRENT.set(call.output)
        return self._step(self._conduct.answer, call, call.deadline)

    def piece(self, call: Call, pieces: BodyStream) -> bytes | None:
        """The next piece of a body that a cell generates, None after the last. StreamBroken: it raised."""
        try:
            return call.context.run(self._step, _next, pieces, call.deadline)
        except BaseException as error:
            raise StreamError(self._failed(error, call).traceback) from None

    def end_pieces(self, call: Call, pieces: BodyStream) -> None:
        """Let the cell clean up after its body; what that raises goes to the log."""
        try:
            call.context.run(self._step, _close, pieces, time.monotonic() + call.handler.limit_s)
        except BaseException as error:
            self._failed(error, call)

    async def _beside_others(self, call: Call) -> Response | None:
        try:
            return await self._stepwise(self._conduct.answer_awaiting(call), call.deadline)
        except BaseException as error:  # an interrupt that reached the event loop would end the kernel
            return None if call.is_over else self._failed(error, call)

    @coroutine
    def _stepwise(self, inner: Coroutine[Any, Any, Response], deadline: float) -> Generator[Any, Any, Response]:
        """`await inner`, with each of its steps under the watch."""
        advance: Callable[[Any], Any] = inner.send
        value: Any = None
        while True:
            try:
                waits_for = self._step(advance, value, deadline)
            except StopIteration as end:
                answer: Response = end.value
                return answer
            try:
                value, advance = (yield waits_for), inner.send
            except BaseException as error:
                value, advance = error, inner.throw

    def _step(self, advance: Callable[[Sent], Yielded], value: Sent, deadline: float) -> Yielded:
        try:
            return self._watch.step(advance, value, deadline)
        finally:
            if self._fork.is_copy:  # os.fork() in the cell: the original answers
                os._exit(0)
            if self._shell.exit_now:  # exit() in the cell: as in Jupyter, it ends the kernel
                log.write("a cell called exit(): this kernel ends\n")
                os._exit(0)

    def _failed(self, error: BaseException, call: Call) -> Response:
        handler = call.handler
        if isinstance(error, TimeLimit):
            return self._failures.overdue(error, call.request, handler.files, handler.limit_s)
        return self._failures.answer(error, call.request, handler.files)


def _next(pieces: BodyStream) -> bytes | None:
    try:
        return pieces.__next__()
    except StopIteration:
        return None


def _close(pieces: BodyStream) -> None:
    pieces.close()
