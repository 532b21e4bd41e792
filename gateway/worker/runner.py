"""Runs calls: one at a time in the kernel's global namespace, or concurrently if their cells await.

A cell without `await` never yields, so it is a single step in the main thread. One that awaits becomes a task.
The watchdog times each step.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import Any, TypeVar

from gateway.http.request import Request
from gateway.http.response import Response, rejection
from gateway.http.wire import RejectedRequest
from gateway.protocol.scoreboard import Scoreboard
from gateway.records import log
from gateway.worker import displays, flask_context, namespace, process
from gateway.worker.endpoint import Call, CellEndpoint, CellExecutor, CompiledEndpoint
from gateway.worker.error_response import ErrorResponses
from gateway.worker.output import CURRENT, LogOutput, Output, OutputStreams
from gateway.worker.time_limit import Sent, TimeLimit, Watchdog, Yielded

_ABSENT = object()

Result = TypeVar("Result")
Step = Callable[[Callable[[Any], Any], Any, float], Any]


class Runner:
    """Runs calls in this kernel, and shows them on the scoreboard."""

    def __init__(
        self, shell: Any, scoreboard: Scoreboard, watchdog: Watchdog, errors: ErrorResponses, max_output: int
    ) -> None:
        self._shell = shell
        self.scoreboard = scoreboard
        self._watchdog = watchdog
        self._errors = errors
        self._max_output = max_output
        self.is_forked = False  # whether this process is a copy that a cell made with os.fork
        self.executor = CellExecutor(shell, errors)
        self._globals: dict[str, Any] = shell.user_ns
        self._fresh_namespace = namespace.create(shell.user_ns)
        self._streams = OutputStreams()
        self.context = copy_context()  # shared by all cells that do not await

    def install(self) -> None:
        """Redirect the kernel's output, displays and json.loads to the current call, and give it Flask's contexts."""
        self._shell.builtin_trap.__enter__()  # get_ipython() in modules, as while IPython runs a cell
        self._streams.redirect()
        self.executor.json_decoder.install()
        displays.install(self._shell)
        flask_context.install(self.context)

    def open(self, endpoint: CompiledEndpoint, request: Request, path: dict[str, str]) -> Call[Any]:
        """A call that is ready to run; it must be closed."""
        self._streams.restore()
        self._shell.events.trigger("pre_execute")
        call: Call[Any]
        if not isinstance(endpoint, CellEndpoint):
            output: Output = LogOutput(request, self._max_output)
            call = Call(endpoint, request, path, {}, self.context.copy(), output, self.scoreboard)
            call.context.run(CURRENT.set, output)
        elif endpoint.is_async:
            output = Output(request, self._max_output)
            call = Call(
                endpoint, request, path, self._fresh_namespace.copy(), self.context.copy(), output, self.scoreboard
            )
            call.context.run(CURRENT.set, output)
        else:
            output = Output(request, self._max_output)
            call = Call(endpoint, request, path, self._globals, self.context, output, self.scoreboard)
        call.shadowed = call.namespace.get("REQUEST", _ABSENT)
        call.slot = self.scoreboard.begin(request.request_id.encode(), call.started, endpoint.limit_s)
        return call

    def close(self, call: Call[Any]) -> None:
        """Release everything the call holds, and restore the REQUEST of an ordinary cell if there is one."""
        call.is_over = True
        self.scoreboard.end(call.slot)
        contexts = call.output.contexts
        call.output.close()
        if contexts is not None:
            self._clean_up(call, contexts.close)
        call.request.content = b""
        self.executor.json_decoder.withdraw()
        call.namespace.pop("REQUEST_ERROR", None)
        if not call.is_detached:
            if call.shadowed is _ABSENT:
                call.namespace.pop("REQUEST", None)
            else:
                call.namespace["REQUEST"] = call.shadowed
        self._shell.events.trigger("post_execute")

    def run(self, call: Call[Any]) -> Response:
        """The response of cells that do not await."""
        try:
            return call.context.run(self._run, call)
        except BaseException as error:  # an interrupt that reached the event loop would end the kernel
            return self.error_response(error, call)

    def start(self, call: Call[Any], on_response: Callable[[Response], None]) -> "asyncio.Task[Response | None]":
        """Run cells that await, concurrently; `on_response` is called unless the call is over before.

        At the limit it is called at once, whether or not the task reacts to its cancellation.
        """

        def on_timeout() -> None:
            on_response(self.error_response(TimeLimit(), call))
            task.cancel()

        def on_done(task: "asyncio.Task[Response | None]") -> None:
            timer.cancel()
            response = None if task.cancelled() else task.result()
            if response is not None and not call.is_over:
                on_response(response)

        loop = asyncio.get_running_loop()
        timer = loop.call_at(call.deadline, on_timeout)
        task = loop.create_task(self.complete(call, self._run_async(call)), context=call.context)
        task.add_done_callback(on_done)
        return task

    def _clean_up(self, call: Call[Any], close: Callable[[], None]) -> None:
        deadline = time.monotonic() + call.endpoint.limit_s
        try:
            call.context.run(self.step, lambda _: close(), None, deadline)
        except BaseException as error:
            self.error_response(error, call)

    def _run(self, call: Call[Any]) -> Response:
        CURRENT.set(call.output)
        executor = self.executor if isinstance(call.endpoint, CellEndpoint) else call.endpoint
        response: Response = self.step(executor.execute, call, call.deadline)
        return response if call.output.contexts is None else self._process(response, call)

    async def _run_async(self, call: Call[Any]) -> Response:
        executor = self.executor if isinstance(call.endpoint, CellEndpoint) else call.endpoint
        response: Response = await self.drive(executor.execute_async(call), call.deadline, self.step)
        return response if call.output.contexts is None else self._process(response, call)

    async def complete(self, call: Call[Any], driven: Awaitable[Response]) -> Response | None:
        """The response that `driven` makes, or an error response; None if the call is over."""
        try:
            return await driven
        except BaseException as error:  # an interrupt that reached the event loop would end the kernel
            return None if call.is_over else self.error_response(error, call)

    def _process(self, response: Response, call: Call[Any]) -> Response:
        """`response` as Flask completes it; for a call that has touched Flask's contexts."""
        contexts = call.output.contexts
        return self.step(contexts.process, response, call.deadline) if contexts is not None else response

    @coroutine
    def drive(self, inner: Coroutine[Any, Any, Result], deadline: float, step: Step) -> Generator[Any, Any, Result]:
        """`await inner`, each of its steps by `step`, which is `self.step` or calls it."""
        advance: Callable[[Any], Any] = inner.send
        value: Any = None
        while True:
            try:
                awaitable = step(advance, value, deadline)
            except StopIteration as end:
                result: Result = end.value
                return result
            try:
                value, advance = (yield awaitable), inner.send
            except BaseException as error:
                value, advance = error, inner.throw

    def step(self, advance: Callable[[Sent], Yielded], value: Sent, deadline: float) -> Yielded:
        """advance(value), with the watchdog on it."""
        try:
            return self._watchdog.step(advance, value, deadline)
        finally:
            if self.is_forked:  # only the original responds
                os._exit(0)
            if self._shell.exit_now:  # exit() in the cell: as in Jupyter, it ends the kernel
                log.write("a cell called exit(): this kernel ends\n")
                process.end_in_order()

    def error_response(self, error: BaseException, call: Call[Any]) -> Response:
        endpoint = call.endpoint
        if isinstance(error, RejectedRequest):
            return rejection(error, call.request)
        if isinstance(error, TimeLimit):
            if not call.is_decoded:
                return self._errors.from_slow_decoding(call.request, endpoint.limit_s, endpoint.slow_decoding)
            return self._errors.from_time_limit(error, call.request, endpoint.files, endpoint.limit_s)
        return self._errors.from_exception(error, call.request, endpoint.files)


def put_request(call: Call[Any], value: Any) -> Any:
    """Set the REQUEST of the call's namespace to `value`; returns what it was."""
    before = call.namespace.get("REQUEST", _ABSENT)
    if value is _ABSENT:
        call.namespace.pop("REQUEST", None)
    else:
        call.namespace["REQUEST"] = value
    return before
