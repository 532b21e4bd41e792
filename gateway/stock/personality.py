"""The personality for notebooks in other languages than Python, on stock notebook-http.

Parsing, routes, REQUEST and ResponseInfo are stock's; cells run over the Jupyter protocol, in kernels that are limited
and replaced as the engine's are.
"""

import asyncio
import json
import re
import time
from http import HTTPStatus
from typing import Any

from kernel_gateway.notebook_http import NotebookHTTPPersonality
from kernel_gateway.notebook_http.handlers import NotebookAPIHandler
from kernel_gateway.notebook_http.request_utils import format_request, headers_to_dict, parse_args, parse_body

from gateway.arbiter import queue_length
from gateway.arbiter.crash_verdicts import Verdict
from gateway.http import response_info
from gateway.notebook.failure import ANSI, NotebookError
from gateway.records import log
from gateway.records.record import Excerpt
from gateway.stock import openapi, record
from gateway.stock.errors import JsonErrorHandler, UnknownPathHandler
from gateway.stock.pool import (
    KernelDied,
    NoKernel,
    Output,
    OutputTooLong,
    QueueFull,
    StockKernel,
    StockPool,
    TimeLimitExceeded,
)

# In double quotes bash, Perl, Ruby, Julia and others run or replace what follows one of these.
INTERPOLATION = re.compile(r"[$`#@!]")
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class StockPersonality(NotebookHTTPPersonality):  # type: ignore[misc]
    """The interface that KernelGatewayApp and GatewayApp expect; requests are served in this process."""

    def __init__(self, **kwargs: Any) -> None:
        """Raises NotebookError if the notebook has no endpoint."""
        super().__init__(**kwargs)
        if not self.endpoints():
            prefix = self.comment_prefix.get(self.parent.notebook.language, "#")
            reason = f"no cell begins with a comment such as {prefix} GET /hello_world"
            raise NotebookError.outside_cells("NoEndpoints", reason)
        slot = self.parent.slot
        self.pool = StockPool(self.parent.kernel_manager, slot.queue_limit, slot.start_timeout, self.log)

    async def init_configurables(self) -> None:
        await self.parent.start_serving(self._start)

    async def _start(self) -> None:
        record.install(self.parent.web_app, self.pool, self.parent.observer)
        await self.pool.start(self.parent.slot.kernels)
        self.parent.http_server.add_socket(self.parent.listener)

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Stock's routes, each endpoint with our handler; and the OpenAPI document."""
        max_output = self.parent.slot.max_output_mb * 1024 * 1024
        extra = {"pool": self.pool, "limit": self.parent.slot.request_timeout, "max_output": max_output}
        stock = [
            (path, CellHandler, {**arguments[0], **extra})
            if handler is NotebookAPIHandler
            else (path, handler, *arguments)
            for path, handler, *arguments in super().create_request_handlers()[:-1]
        ]
        return [openapi.route(self), *stock, (r"/(.*)", UnknownPathHandler)]

    def endpoints(self) -> list[dict[str, str]]:
        """[{"method": "GET", "path": "/hello/:name"}, …] in stock's order."""
        source = list(self.parent.notebook.cells)
        return [
            {"method": method, "path": path}
            for path, methods in self.api_parser.endpoints(source)
            for method in methods
        ]

    async def drain(self) -> None:
        """Answer all requests that have reached this slot, also those in the backlog."""
        server, listener = self.parent.http_server, self.parent.listener
        while self.parent.ready and (connection := _accept(listener)) is not None:
            server._handle_connection(connection, "")
        server.stop()
        while server._connections:
            await asyncio.sleep(0.01)

    def status(self) -> dict[str, Any]:
        """What the admin API reports beside the readiness."""
        endpoints, pool = self.endpoints(), self.pool
        return {
            "endpoints": endpoints,
            "problems": [],
            "kernels": pool.alive,
            "kernel_deaths": pool.deaths,
            "queue": (queue_length.count(self.parent.listener) or 0) + pool.waiting,
        }

    async def explain(self, request_id: str) -> Verdict | None:
        """Always None: a request whose kernel dies gets its response from CellHandler."""
        return None


class CellHandler(JsonErrorHandler, NotebookAPIHandler):  # type: ignore[misc]
    """One endpoint: stock's request and response, with JSON for every failure."""

    def initialize(self, pool: StockPool, limit: float, max_output: int, **stock: Any) -> None:
        super().initialize(**stock)
        self.pool = pool
        self.limit = limit
        self.max_output = max_output

    async def _handle_request(self) -> None:
        self.response_future = asyncio.get_running_loop().create_future()
        self.response_future.set_result(None)
        try:
            if self.request.method not in self.sources:
                self.set_header("Allow", ", ".join(sorted(self.sources)))
                self.respond_error(405, "method-not-allowed", f"This path answers {', '.join(self.sources)}.")
                return
            request = self._format_request()
            async with self.pool.acquire() as kernel:
                await self._respond(kernel, request)
        except UnicodeDecodeError as error:
            self.respond_error(400, "bad-request", f"cannot be decoded: {error}")
        except QueueFull:
            self.set_header("Retry-After", "1")
            self.respond_error(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
        except NoKernel as error:
            self.set_header("Retry-After", "1")
            self.respond_error(503, "no-kernel", f"The notebook cannot be run: {error}")
        except KernelDied:
            self.respond_error(502, "kernel-died", "The kernel ended while it worked on this request.")
        except OutputTooLong:
            self.respond_error(500, "output-too-long", f"the cell printed more than {self.max_output} bytes")
        except TimeLimitExceeded:
            self.respond_error(504, "timeout", f"The cell ran longer than {self.limit:g} s.")

    def _format_request(self) -> str:
        """An assignment to REQUEST in the kernel's language. UnicodeDecodeError: the query or the body is not UTF-8."""
        request = {
            "body": parse_body(self.request),
            "args": parse_args(self.request.query_arguments),
            "path": self.path_kwargs,
            "headers": headers_to_dict(self.request.headers),
        }
        # Stock leaves `$(…)` in a body, and bash would run it. In JSON these characters are in strings only.
        text = INTERPOLATION.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(request))
        statement: str = format_request(text, self.kernel_language)
        return statement

    async def _respond(self, kernel: StockKernel, request: str) -> None:
        deadline, method = time.monotonic() + self.limit, self.request.method
        await kernel.run(request, deadline, self.max_output, self.request_id)
        output = await kernel.run(self.sources[method], deadline, self.max_output, self.request_id)
        self.set_header("Content-Type", "text/plain")
        info = None
        if not output.error and method in self.response_sources:
            info = await kernel.run(self.response_sources[method], deadline, self.max_output, self.request_id)
        self.stderr = output.stderr.concat(info.stderr.text) if info else output.stderr
        error = output.error or (info and info.error)
        if error:
            self.traceback = ANSI.sub("", output.traceback or (info.traceback if info else ""))
            log.write_lines(self.request_id, Excerpt.tail(self.traceback).render())
            self.respond_error(500, "cell-failed", error)
            return
        try:
            if info:
                self._apply_info(info)
        except ValueError as error:
            where = f"{method} {self.request.path.removeprefix(self.application.settings['base_url'])}"
            self.respond_error(500, "bad-response-info", f"the ResponseInfo of {where} {error}")
        else:
            await self.finish(None if self.get_status() in WITHOUT_BODY else _text(output))

    def _apply_info(self, info: Output) -> None:
        """Set the status and the headers that a ResponseInfo cell printed; raises ValueError with the reason."""
        status, headers = response_info.read(_text(info).encode())
        for name, values in headers:
            self.clear_header(name)
            for value in values:
                self._add_header(name, value)
        if status is not None:
            self.set_status(status)

    def _add_header(self, name: str, value: str) -> None:
        try:
            self.add_header(name, value)
        except ValueError:  # not Latin-1
            raise ValueError(f"sets the header {name} to {value!r}") from None


def _text(output: Output) -> str:
    """As stock: stdout, else the mime bundle of the last expression as JSON, else nothing."""
    if output.stdout:
        return "".join(output.stdout)
    return json.dumps(output.result) if output.result else ""


def _accept(listener: Any) -> Any | None:
    try:
        return listener.accept()[0]
    except BlockingIOError:
        return None


create_personality = StockPersonality
