"""The personality for notebooks in other languages than Python: stock notebook-http, its traps closed.

Parsing, routes, REQUEST and ResponseInfo are stock's own; cells run over the Jupyter protocol in kernels
that are healed and timed as the engine's are.
"""

import asyncio
import json
import time
from typing import Any

from kernel_gateway.notebook_http import NotebookHTTPPersonality
from kernel_gateway.notebook_http.handlers import NotebookAPIHandler
from kernel_gateway.notebook_http.request_utils import (
    format_request,
    headers_to_dict,
    parse_args,
    parse_body,
)
from tornado.escape import utf8

from gateway import backlog, stock_openapi, stock_record
from gateway.casualties import Verdict
from gateway.failure import ANSI, NotebookError
from gateway.stock_pool import KernelDied, Output, Overdue, QueueFull, StockKernel, StockPool


class StockPersonality(NotebookHTTPPersonality):  # type: ignore[misc]
    """What KernelGatewayApp and GatewayApp ask of a personality, answered in this process."""

    def __init__(self, **kwargs: Any) -> None:
        """Raises NotebookError where the notebook has no endpoint."""
        super().__init__(**kwargs)
        if not self.endpoints():
            prefix = self.comment_prefix.get(self.parent.notebook.language, "#")
            reason = f"no cell begins with a comment such as {prefix} GET /hello_world"
            raise NotebookError.outside_cells("NoEndpoints", reason)
        slot = self.parent.slot
        self.pool = StockPool(self.parent.kernel_manager, slot.queue_limit, self.log)

    async def init_configurables(self) -> None:
        await self.parent.begin(self._start)

    async def _start(self) -> None:
        self.pool.on_death = self.parent.observer.recorder.note_death
        stock_record.tell_of_each(self.parent.web_app, self.parent.observer)
        await self.pool.start(self.parent.slot.kernels)
        self.parent.http_server.add_socket(self.parent.listener)

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Stock's routes, each endpoint with our handler; and the OpenAPI document."""
        extra = {"pool": self.pool, "limit": self.parent.slot.request_timeout}
        stock = [
            (path, CellHandler, {**arguments[0], **extra})
            if handler is NotebookAPIHandler
            else (path, handler, *arguments)
            for path, handler, *arguments in super().create_request_handlers()
        ]
        return [stock_openapi.route(self), *stock]

    def endpoints(self) -> list[dict[str, str]]:
        """What the notebook defines: [{"method": "GET", "path": "/hello/:name"}, …] in stock's order."""
        source = list(self.parent.notebook.cells)
        return [
            {"method": method, "path": path}
            for path, methods in self.api_parser.endpoints(source)
            for method in methods
        ]

    async def drain(self) -> None:
        """Answer all that has reached this slot, also what waits in the backlog."""
        server, listener = self.parent.http_server, self.parent.listener
        while self.parent.ready and (connection := _accept(listener)) is not None:
            server._handle_connection(connection, "")
        server.stop()
        while server._connections:
            await asyncio.sleep(0.01)

    def status(self) -> dict[str, Any]:
        """What the control app is told beside the readiness."""
        endpoints, pool = self.endpoints(), self.pool
        return {
            "endpoints": endpoints,
            "problems": [],
            "kernels": pool.alive,
            "kernel_deaths": pool.deaths,
            "queue": (backlog.waiting(self.parent.listener) or 0) + pool.waiting,
        }

    async def explain(self, request_id: str) -> Verdict | None:
        """Nothing: this process itself answers what becomes of its kernels' requests."""
        return None


class CellHandler(NotebookAPIHandler):  # type: ignore[misc]
    """One endpoint: stock's request and response, with every failure answered as JSON."""

    def initialize(self, pool: StockPool, limit: float, **stock: Any) -> None:
        super().initialize(**stock)
        self.pool = pool
        self.limit = limit
        self.said = b""
        self.stderr = self.traceback = ""

    def finish(self, chunk: Any = None) -> Any:
        """As tornado's, and keep what is said for the record."""
        self.said = utf8(chunk or b"")
        return super().finish(chunk)

    async def _handle_request(self) -> None:
        self.response_future = asyncio.get_running_loop().create_future()
        self.response_future.set_result(None)
        try:
            if self.request.method not in self.sources:
                self.set_header("Allow", ", ".join(sorted(self.sources)))
                self._problem(405, "method-not-allowed", f"This path answers {', '.join(self.sources)}.")
                return
            async with self.pool.lend() as kernel:
                await self._answer(kernel)
        except QueueFull:
            self.set_header("Retry-After", "1")
            self._problem(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
        except KernelDied:
            self._problem(502, "kernel-died", "The kernel ended while it worked on this request.")
        except Overdue:
            self._problem(504, "timeout", f"The cell ran longer than {self.limit:g} s.")

    async def _answer(self, kernel: StockKernel) -> None:
        deadline, method = time.monotonic() + self.limit, self.request.method
        request = {
            "body": parse_body(self.request),
            "args": parse_args(self.request.query_arguments),
            "path": self.path_kwargs,
            "headers": headers_to_dict(self.request.headers),
        }
        await kernel.run(format_request(json.dumps(request), self.kernel_language), deadline)
        output = await kernel.run(self.sources[method], deadline)
        self.set_header("Content-Type", "text/plain")
        info = None
        if not output.error and method in self.response_sources:
            info = await kernel.run(self.response_sources[method], deadline)
        self.stderr = "".join(output.stderr + (info.stderr if info else []))
        failed = output.error or (info and info.error)
        if failed:
            self.traceback = ANSI.sub("", output.traceback or (info.traceback if info else ""))
            print(self.traceback, flush=True)
            self._problem(500, "cell-failed", failed)
        elif info and not self._apply(info):
            self._problem(500, "bad-response-info", "The ResponseInfo cell did not print its JSON.")
        else:
            await self.finish(_text(output))

    def _apply(self, info: Output) -> bool:
        """Set the status and the headers that ResponseInfo printed; False where they are none."""
        try:
            wanted = json.loads(_text(info))
            for name, value in wanted.get("headers", {}).items():
                self.set_header(name, value)
            status = int(wanted.get("status", 200))
            if not 200 <= status <= 599:
                raise ValueError(status)
            self.set_status(status)
        except (ValueError, TypeError, AttributeError):
            return False
        return True

    def _problem(self, status: int, code: str, message: str) -> None:
        request_id = self.request.headers.get("X-Request-Id", "")
        where = {"method": self.request.method, "path": self.request.path, "request_id": request_id}
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": message, "extensions": {"code": code, **where}}))


def _text(output: Output) -> str:
    """Stock's order: what was printed, else the last expression's mime bundle as JSON, else nothing."""
    if output.stdout:
        return "".join(output.stdout)
    return json.dumps(output.result) if output.result else ""


def _accept(listener: Any) -> Any | None:
    try:
        return listener.accept()[0]
    except BlockingIOError:
        return None


create_personality = StockPersonality
