"""A compiled endpoint, a call of it, and the execution of its cells."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

from gateway.http import response_info
from gateway.http.request import Request
from gateway.http.response import BodyStream, Response
from gateway.protocol.messages import Endpoint
from gateway.protocol.scoreboard import Scoreboard
from gateway.worker import result
from gateway.worker.compiler import CompiledCells
from gateway.worker.error_response import ErrorResponses
from gateway.worker.json_reuse import ReusingDecoder
from gateway.worker.output import Output
from gateway.worker.time_limit import TimeLimit

_CALL_ENDS = (TimeLimit, GeneratorExit)  # raised by us, not by a cell
_REQUEST_ERROR = re.compile(r"\bREQUEST_ERROR\b")


class CompiledEndpoint:
    """One endpoint. `index` is its place in Config.endpoints; `files` are those of its code, for tracebacks.

    `is_async` if it awaits: then its calls run concurrently. Calls of one that `is_exclusive` share names, so that no
    other may run until such a call is over.
    """

    files: frozenset[str]
    is_async: bool
    is_exclusive: bool
    has_response_info = False
    slow_decoding = "its body has too many values"  # why it takes long

    def __init__(self, index: int, endpoint: Endpoint, limit_s: float) -> None:
        self.index = index
        self.limit_s = limit_s if endpoint.limit_s is None else endpoint.limit_s


class CellEndpoint(CompiledEndpoint):
    """One whose cells run for each request; if any of them awaits, in a namespace of their own."""

    def __init__(self, shell: Any, index: int, endpoint: Endpoint, limit_s: float) -> None:
        """CompileError: a cell does not compile."""
        super().__init__(index, endpoint, limit_s)
        self.cells = CompiledCells(shell, endpoint.cells)
        self.response_info = CompiledCells(shell, endpoint.response_cells)
        self.has_response_info = bool(endpoint.response_cells)
        self.handles_errors = any(_REQUEST_ERROR.search(cell.source) for cell in endpoint.response_cells)
        self.is_async = self.cells.is_async or self.response_info.is_async
        self.is_exclusive = not self.is_async
        self.files = self.cells.files | self.response_info.files


Kind = TypeVar("Kind", bound=CompiledEndpoint)


@dataclass(slots=True)
class Call(Generic[Kind]):
    """One request to an endpoint. `started` and `deadline` are seconds of time.monotonic.

    `path` are the path parameters. `is_decoded` once the cells have their REQUEST; `is_over` once the response no
    longer matters: the client has disconnected, or the limit has passed. `shadowed` is what the notebook itself has
    under the name REQUEST; `slot` is the call's place on the scoreboard.

    While its body is streamed, a call is `is_detached` between its steps, when others may run: then `shadowed` has its
    own REQUEST.
    """

    endpoint: Kind
    request: Request
    path: dict[str, str]
    namespace: dict[str, Any]
    context: Context
    output: Output
    scoreboard: Scoreboard
    started: float = field(default_factory=time.monotonic)
    is_decoded: bool = False
    is_over: bool = False
    is_detached: bool = False
    shadowed: Any = None
    slot: int = 0

    @property
    def deadline(self) -> float:
        return self.started + self.endpoint.limit_s

    def begin(self) -> None:
        """Note that the request is decoded, so that the cells may run. TimeLimit: decoding it took too long."""
        if time.monotonic() >= self.deadline:  # the watchdog's thread may have had no turn yet
            raise TimeLimit
        self.is_decoded = True
        self.scoreboard.mark_decoded(self.slot)


class CellExecutor:
    """Executes a call: decodes its request, runs its cells, then its ResponseInfo cells; each may fail."""

    def __init__(self, shell: Any, errors: ErrorResponses) -> None:
        self._shell = shell
        self._on_start = shell.events.callbacks["pre_run_cell"]
        self._on_end = shell.events.callbacks["post_run_cell"]
        self._errors = errors
        self.json_decoder = ReusingDecoder()

    def execute(self, call: Call[CellEndpoint]) -> Response:
        """The response, whatever the cells do, none of which awaits.

        TimeLimit: it has passed. RejectedRequest: the request cannot be decoded.

        ResponseInfo cells do not run after an error, unless they mention REQUEST_ERROR: then that is a JSON string,
        {"type": "ValueError", "message": "…", "status": 500} after an error and null after none, and the status and
        headers that they print apply to both.
        """
        self._decode(call)
        endpoint = call.endpoint
        try:
            if self._on_start or self._on_end:
                with self._events(endpoint.cells) as run:
                    value = run.result = endpoint.cells.run(call.namespace)
            else:
                value = endpoint.cells.run(call.namespace)
            response = result.to_response(self._shell, value, call.output)
        except BaseException as error:
            response = self._error_response(error, call)
        if endpoint.has_response_info and response.stream is None and self._prepare_response_info(call, response):
            try:
                self._apply_response_info(call, response, endpoint.response_info.run(call.namespace))
            except BaseException as error:
                response = self._error_response(error, call)
        return response

    async def execute_async(self, call: Call[CellEndpoint]) -> Response:
        """The same where a cell awaits. One coroutine for both would take 2 µs of a request's 35."""
        self._decode(call)
        endpoint = call.endpoint
        try:
            if self._on_start or self._on_end:
                with self._events(endpoint.cells) as run:
                    value = run.result = await endpoint.cells.run_async(call.namespace)
            else:
                value = await endpoint.cells.run_async(call.namespace)
            response = result.to_response(self._shell, value, call.output)
        except BaseException as error:
            response = self._error_response(error, call)
        if endpoint.has_response_info and response.stream is None and self._prepare_response_info(call, response):
            try:
                self._apply_response_info(call, response, await endpoint.response_info.run_async(call.namespace))
            except BaseException as error:
                response = self._error_response(error, call)
        return response

    async def begin_stream(self, call: Call[Any], response: Response, stream: BodyStream) -> Response:
        """The response with the first piece of its body, without which its head must not be sent (PEP 3333).

        So what fails until then is an error response like any other. Then the ResponseInfo cells, as above.
        """
        try:
            while not response.body and (piece := await stream.next_piece()) is not None:
                response.body = piece
        except BaseException as error:
            response = self._error_response(error, call)
        if call.endpoint.has_response_info and self._prepare_response_info(call, response):
            try:
                self._apply_response_info(call, response, await call.endpoint.response_info.run_async(call.namespace))
            except BaseException as error:
                response = self._error_response(error, call)
        return response

    def _decode(self, call: Call[CellEndpoint]) -> None:
        """Here, so that a large body is decoded within the time limit too."""
        text, value = call.request.encode(call.path)
        call.namespace["REQUEST"] = text
        self.json_decoder.offer(text, value)
        call.begin()

    @contextmanager
    def _events(self, cells: CompiledCells) -> Iterator[Any]:
        """Call what is registered for a cell's run, as IPython does (InteractiveShell.run_cell); yields its result."""
        source = "\n".join(cell.source for cell in cells.cells)
        new_info: Any = ExecutionInfo
        new_result: Any = ExecutionResult
        info = new_info(raw_cell=source, store_history=False, silent=False, shell_futures=True, cell_id=None)
        run = new_result(info)
        self._shell.events.trigger("pre_run_cell", info)
        try:
            yield run
        except BaseException as error:
            run.error_in_exec = error
            raise
        finally:
            self._shell.events.trigger("post_run_cell", run)

    def _prepare_response_info(self, call: Call[CellEndpoint], response: Response) -> bool:
        """Whether the ResponseInfo cells are to run."""
        if call.endpoint.handles_errors:
            call.namespace["REQUEST_ERROR"] = json.dumps(response.error)
        elif response.error is not None:
            return False
        call.output.clear()
        return True

    def _apply_response_info(self, call: Call[CellEndpoint], response: Response, value: Any) -> None:
        response_info.apply(result.to_info(value, call.output), response, call.endpoint.response_info.cells)

    def _error_response(self, error: BaseException, call: Call[CellEndpoint]) -> Response:
        if call.is_over or isinstance(error, _CALL_ENDS):  # over: most likely the task was cancelled
            raise error
        return self._errors.from_exception(error, call.request, call.endpoint.files)
