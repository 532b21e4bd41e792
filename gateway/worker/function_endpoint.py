"""An endpoint that is a function, and the call of it."""

import inspect
from typing import Any

from gateway.http.response import Response
from gateway.notebook import functions as definitions
from gateway.notebook.path_template import PathTemplate
from gateway.protocol.messages import Endpoint
from gateway.worker import functions
from gateway.worker.binding import Binding
from gateway.worker.compiler import CellError, CompileError
from gateway.worker.endpoint import Call, CompiledEndpoint
from gateway.worker.parameters import BindingError
from gateway.worker.value_response import to_response


class FunctionEndpoint(CompiledEndpoint):
    """One that calls a function for each request, with nothing of it in the kernel's globals."""

    is_exclusive = False
    slow_decoding = "its body has too many values, or a validator takes too long"

    def __init__(self, shell: Any, index: int, endpoint: Endpoint, limit_s: float) -> None:
        """CompileError: the function cannot be bound."""
        self._shell = shell
        super().__init__(index, endpoint, limit_s)
        self.name = str(endpoint.function)
        cell = endpoint.cells[0]
        self.function, hints = functions.get(cell.number)
        try:
            path = frozenset(PathTemplate.of(endpoint.path).annotated)
            self.binding = Binding(self.function, endpoint.method, path, hints)
        except BindingError as error:
            line = definitions.find_line(cell.source, self.name, error.name)
            raise CompileError([CellError(cell.number, line, f"CannotBind: {self.name}: {error}")]) from None
        self.is_async = _is_async(self.function)
        # Tracebacks give the number that the cell has in the notebook.
        source = shell.transform_cell(cell.source)
        self.files = frozenset({shell.compile.cache(source, cell.number, raw_code=cell.source)})

    def execute(self, call: "Call[FunctionEndpoint]") -> Response:
        """The response of the function. Raises what it raises; InvalidInput, RejectedRequest: it was not called."""
        arguments = self.binding.bind(call.request, call.path)
        call.begin()
        value = self.binding.call(arguments)
        return to_response(self._shell, value, call.output, call.request.header("Accept"))

    async def execute_async(self, call: "Call[FunctionEndpoint]") -> Response:
        """The same for a function that awaits."""
        arguments = self.binding.bind(call.request, call.path)
        call.begin()
        value = self.binding.call(arguments)
        if hasattr(value, "__await__"):
            value = await value
        return to_response(self._shell, value, call.output, call.request.header("Accept"))


def _is_async(function: Any) -> bool:
    """Whether it, what a decorator has wrapped (`__wrapped__`), or an object's `__call__` is an `async def`."""
    return any(map(inspect.iscoroutinefunction, (function, inspect.unwrap(function), type(function).__call__)))
