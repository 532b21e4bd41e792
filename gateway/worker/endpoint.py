"""An endpoint's cells, compiled, and how one request runs through them."""

import json
import re
import time
from contextvars import Context
from typing import Any

from gateway.http import response_info
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.protocol.messages import Endpoint
from gateway.worker import result
from gateway.worker.compiler import CompiledCells
from gateway.worker.error_response import ErrorResponses
from gateway.worker.output import Output
from gateway.worker.time_limit import TimeLimit

_ENDS = (TimeLimit, GeneratorExit)  # of the call, not of a cell
_HEARS_ERRORS = re.compile(r"\bREQUEST_ERROR\b")


class CompiledEndpoint:
    """One endpoint. `index` is its place in Config.endpoints.

    `awaits` if any of its cells does: then they all run beside other requests, in a namespace of their own.
    """

    def __init__(self, shell: Any, index: int, endpoint: Endpoint, limit_s: float) -> None:
        """CompileError: names the cell."""
        self.index = index
        self.limit_s = limit_s if endpoint.limit_s is None else endpoint.limit_s
        self.cells = CompiledCells(shell, endpoint.cells)
        self.info = CompiledCells(shell, endpoint.response_cells)
        self.has_info = bool(endpoint.response_cells)
        self.hears_errors = any(_HEARS_ERRORS.search(cell.source) for cell in endpoint.response_cells)
        self.awaits = self.cells.awaits or self.info.awaits
        self.files = self.cells.files | self.info.files


class Call:
    """One request on its way through a handler. `started` and `deadline` are seconds of time.monotonic.

    `is_over` once nobody waits for the outcome any more: the caller left, or the limit passed. `shadowed` is
    what the notebook itself has under the name REQUEST; `slot` is the call's place on the page.
    """

    __slots__ = (
        "context",
        "deadline",
        "handler",
        "is_over",
        "namespace",
        "output",
        "request",
        "shadowed",
        "slot",
        "started",
    )

    def __init__(
        self, handler: CompiledEndpoint, request: Request, namespace: dict[str, Any], context: Context, output: Output
    ) -> None:
        self.handler = handler
        self.request = request
        self.namespace = namespace
        self.context = context
        self.output = output
        self.started = time.monotonic()
        self.deadline = self.started + handler.limit_s
        self.is_over = False
        self.shadowed: Any = None
        self.slot = 0


class CellExecutor:
    """What happens in a call: its cells, then ResponseInfo, each of which may fail."""

    def __init__(self, shell: Any, failures: ErrorResponses) -> None:
        self._shell = shell
        self._failures = failures

    def answer(self, call: Call) -> Response:
        """What to tell the caller, whatever the cells do, none of which awaits. TimeLimit: they were interrupted.

        ResponseInfo has no part in an error, unless it mentions REQUEST_ERROR: then that is a JSON string,
        {"type": "ValueError", "message": "…", "status": 500} after an error and null after none, and the
        status and headers it prints count for both.
        """
        handler = call.handler
        try:
            value = handler.cells.run(call.namespace)
            answer = result.answer(self._shell, value, call.output)
        except _ENDS:
            raise
        except BaseException as error:
            answer = self._failed(error, call)
        if handler.has_info and (answer.error is None or handler.hears_errors):
            try:
                self._before_info(call, answer)
                self._after_info(call, answer, handler.info.run(call.namespace))
            except _ENDS:
                raise
            except BaseException as error:
                answer = self._failed(error, call)
        return answer

    async def answer_awaiting(self, call: Call) -> Response:
        """The same, step for step, where a cell awaits. (A coroutine for all would cost a tenth of the speed.)"""
        handler = call.handler
        try:
            value = await handler.cells.run_awaiting(call.namespace)
            answer = result.answer(self._shell, value, call.output)
        except _ENDS:
            raise
        except BaseException as error:
            answer = self._failed(error, call)
        if handler.has_info and (answer.error is None or handler.hears_errors):
            try:
                self._before_info(call, answer)
                self._after_info(call, answer, await handler.info.run_awaiting(call.namespace))
            except _ENDS:
                raise
            except BaseException as error:
                answer = self._failed(error, call)
        return answer

    def _before_info(self, call: Call, answer: Response) -> None:
        call.output.clear()
        if call.handler.hears_errors:
            call.namespace["REQUEST_ERROR"] = json.dumps(answer.error)

    def _after_info(self, call: Call, answer: Response, value: Any) -> None:
        response_info.apply(result.said(self._shell, value, call.output), answer, call.handler.info.cells)

    def _failed(self, error: BaseException, call: Call) -> Response:
        if call.is_over:  # nobody waits for the answer, and most likely the task was cancelled
            raise error
        return self._failures.answer(error, call.request, call.handler.files)
