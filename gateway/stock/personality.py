"""The personality for notebooks in other languages than Python: stock notebook-http, its traps closed.

Parsing, routes, REQUEST and ResponseInfo are stock's own; cells run over the Jupyter protocol in kernels
that are healed and timed as the engine's are.
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

# In a string in double quotes, bash, Perl, Ruby, Julia and others run or replace what follows one of these.
INTERPOLATES = re.compile(r"[$`#@!]")
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


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
        self.pool = StockPool(self.parent.kernel_manager, slot.queue_limit, slot.start_timeout, self.log)

    async def init_configurables(self) -> None:
        await self.parent.begin(self._start)

    async def _start(self) -> None:
        record.begin(self.parent.web_app, self.pool, self.parent.observer)
        await self.pool.start(self.parent.slot.kernels)
        self.parent.http_server.add_socket(self.parent.listener)

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Stock's routes, each endpoint with our handler; and the OpenAPI document."""
        longest = self.parent.slot.max_output_mb * 1024 * 1024
        extra = {"pool": self.pool, "limit": self.parent.slot.request_timeout, "longest": longest}
        stock = [
            (path, CellHandler, {**arguments[0], **extra})
            if handler is NotebookAPIHandler
            else (path, handler, *arguments)
            for path, handler, *arguments in super().create_request_handlers()[:-1]
        ]
        return [openapi.route(self), *stock, (r"/(.*)", UnknownPathHandler)]

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
            "queue": (queue_length.count(self.parent.listener) or 0) + pool.waiting,
        }

    async def explain(self, request_id: str) -> Verdict | None:
        """Nothing: this process itself answers what becomes of its kernels' requests."""
        return None


class CellHandler(JsonErrorHandler, NotebookAPIHandler):  # type: ignore[misc]
    """One endpoint: stock's request and response, with every failure answered as JSON."""

    def initialize(self, pool: StockPool, limit: float, longest: int, **stock: Any) -> None:
        super().initialize(**stock)
        self.pool = pool
        self.limit = limit
        self.longest = longest

    async def _handle_request(self) -> None:
        self.response_future = asyncio.get_running_loop().create_future()
        self.response_future.set_result(None)
        try:
            if self.request.method not in self.sources:
                self.set_header("Allow", ", ".join(sorted(self.sources)))
                self.problem(405, "method-not-allowed", f"This path answers {', '.join(self.sources)}.")
                return
            request = self._described()
            async with self.pool.lend() as kernel:
                await self._answer(kernel, request)
        except UnicodeDecodeError as error:
            self.problem(400, "bad-request", f"cannot be decoded: {error}")
        except QueueFull:
            self.set_header("Retry-After", "1")
            self.problem(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
        except NoKernel as error:
            self.set_header("Retry-After", "1")
            self.problem(503, "no-kernel", f"The notebook cannot be run: {error}")
        except KernelDied:
            self.problem(502, "kernel-died", "The kernel ended while it worked on this request.")
        except OutputTooLong:
            self.problem(500, "output-too-long", f"the cell printed more than {self.longest} bytes")
        except TimeLimitExceeded:
            self.problem(504, "timeout", f"The cell ran longer than {self.limit:g} s.")

    def _described(self) -> str:
        """An assignment to REQUEST in the kernel's language. UnicodeDecodeError: the query or the body is no text."""
        request = {
            "body": parse_body(self.request),
            "args": parse_args(self.request.query_arguments),
            "path": self.path_kwargs,
            "headers": headers_to_dict(self.request.headers),
        }
        # Stock hands `$(…)` in a body to bash as it is, which runs it. These characters stand in JSON strings only.
        text = INTERPOLATES.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(request))
        statement: str = format_request(text, self.kernel_language)
        return statement

    async def _answer(self, kernel: StockKernel, request: str) -> None:
        deadline, method = time.monotonic() + self.limit, self.request.method
        await kernel.run(request, deadline, self.longest, self.request_id)
        output = await kernel.run(self.sources[method], deadline, self.longest, self.request_id)
        self.set_header("Content-Type", "text/plain")
        info = None
        if not output.error and method in self.response_sources:
            info = await kernel.run(self.response_sources[method], deadline, self.longest, self.request_id)
        self.stderr = output.stderr.concat(info.stderr.text) if info else output.stderr
        failed = output.error or (info and info.error)
        if failed:
            self.traceback = ANSI.sub("", output.traceback or (info.traceback if info else ""))
            log.write_lines(self.request_id, Excerpt.tail(self.traceback).render())
            self.problem(500, "cell-failed", failed)
            return
        try:
            if info:
                self._apply(info)
        except ValueError as error:
            where = f"{method} {self.request.path.removeprefix(self.application.settings['base_url'])}"
            self.problem(500, "bad-response-info", f"the ResponseInfo of {where} {error}")
        else:
            await self.finish(None if self.get_status() in WITHOUT_BODY else _text(output))

    def _apply(self, info: Output) -> None:
        """Set the status and the headers that ResponseInfo printed. ValueError: what is wrong."""
        status, headers = response_info.read(_text(info).encode())
        for name, values in headers:
            self.clear_header(name)
            for value in values:
                self._add(name, value)
        if status is not None:
            self.set_status(status)

    def _add(self, name: str, value: str) -> None:
        try:
            self.add_header(name, value)
        except ValueError:  # not Latin-1
            raise ValueError(f"sets the header {name} to {value!r}") from None


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
