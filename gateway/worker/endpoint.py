"""A compiled endpoint, a call of it, and the execution of its cells."""

import json
import re
import time
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from gateway.http import response_info
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.protocol.messages import Endpoint
from gateway.worker import result
from gateway.worker.compiler import CompiledCells
from gateway.worker.error_response import ErrorResponses
from gateway.worker.json_reuse import ReusingDecoder
from gateway.worker.output import Output
from gateway.worker.time_limit import TimeLimit

_CALL_ENDS = (TimeLimit, GeneratorExit)  # raised by us, not by a cell
_REQUEST_ERROR = re.compile(r"\bREQUEST_ERROR\b")


class CompiledEndpoint:
    """One endpoint. `index` is its place in Config.endpoints.

    `is_async` if any of its cells awaits: then its calls run concurrently, each in a namespace of its own.
    """

    def __init__(self, shell: Any, index: int, endpoint: Endpoint, limit_s: float) -> None:
        """CompileError: a cell does not compile."""
        self.index = index
        self.limit_s = limit_s if endpoint.limit_s is None else endpoint.limit_s
        self.cells = CompiledCells(shell, endpoint.cells)
        self.response_info = CompiledCells(shell, endpoint.response_cells)
        self.has_response_info = bool(endpoint.response_cells)
        self.handles_errors = any(_REQUEST_ERROR.search(cell.source) for cell in endpoint.response_cells)
        self.is_async = self.cells.is_async or self.response_info.is_async
        self.files = self.cells.files | self.response_info.files


@dataclass(slots=True)
class Call:
    """One request to an endpoint. `started` and `deadline` are seconds of time.monotonic.

    `path` are the path parameters. `is_decoded` once the cells have their REQUEST; `is_over` once the response no
    longer matters: the client has disconnected, or the limit has passed. `shadowed` is what the notebook itself has
    under the name REQUEST; `slot` is the call's place on the scoreboard.
    """

    endpoint: CompiledEndpoint
    request: Request
    path: dict[str, str]
    namespace: dict[str, Any]
    context: Context
    output: Output
    started: float = field(default_factory=time.monotonic)
    is_decoded: bool = False
    is_over: bool = False
    shadowed: Any = None
    slot: int = 0

    @property
    def deadline(self) -> float:
        return self.started + self.endpoint.limit_s


class CellExecutor:
    """Executes a call: decodes its request, runs its cells, then its ResponseInfo cells; each may fail."""

    def __init__(self, shell: Any, errors: ErrorResponses) -> None:
        self._shell = shell
        self._errors = errors
        self.json_decoder = ReusingDecoder()

    async def execute(self, call: Call) -> Response:
        """The response, whatever the cells do. Does not suspend if none of them awaits.

        TimeLimit: it has passed. RejectedRequest: the request cannot be decoded.

        ResponseInfo cells do not run after an error, unless they mention REQUEST_ERROR: then that is a JSON string,
        {"type": "ValueError", "message": "…", "status": 500} after an error and null after none, and the status and
        headers that they print apply to both.
        """
        endpoint, namespace = call.endpoint, call.namespace
        # Here, so that a large body is decoded within the time limit too.
        text, value = call.request.encode(call.path)
        namespace["REQUEST"] = text
        self.json_decoder.offer(text, value)
        call.is_decoded = True
        try:
            cells = endpoint.cells
            value = await cells.run_async(namespace) if cells.is_async else cells.run(namespace)
            response = result.to_response(self._shell, value, call.output)
        except _CALL_ENDS:
            raise
        except BaseException as error:
            response = self._error_response(error, call)
        if endpoint.has_response_info and (response.error is None or endpoint.handles_errors):
            try:
                call.output.clear()
                if endpoint.handles_errors:
                    namespace["REQUEST_ERROR"] = json.dumps(response.error)
                cells = endpoint.response_info
                value = await cells.run_async(namespace) if cells.is_async else cells.run(namespace)
                response_info.apply(result.to_bytes(self._shell, value, call.output), response, cells.cells)
            except _CALL_ENDS:
                raise
            except BaseException as error:
                response = self._error_response(error, call)
        return response

    def _error_response(self, error: BaseException, call: Call) -> Response:
        if call.is_over:  # most likely the task was cancelled
            raise error
        return self._errors.from_exception(error, call.request, call.endpoint.files)
