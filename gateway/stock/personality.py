"""The personality for notebooks in other languages than Python, on stock notebook-http.

Parsing, routes, REQUEST and ResponseInfo are stock's; cells run over the Jupyter protocol, in kernels that are limited
and replaced as the engine's are.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kernel_gateway.notebook_http import NotebookHTTPPersonality
from kernel_gateway.notebook_http.handlers import NotebookAPIHandler
from tornado.httputil import ParseBodyConfig, ParseMultipartConfig, ParseUrlEncodedConfig, set_parse_body_config
from tornado.web import HTTPError, StaticFileHandler

from gateway.arbiter import queue_length
from gateway.arbiter.crash_verdicts import Verdict
from gateway.http.address import PATTERN
from gateway.http.body import MAX_FIELDS
from gateway.http.regular_file import ENV_FILE
from gateway.notebook.failure import NotebookError
from gateway.stock import openapi, record
from gateway.stock.errors import UnknownPathHandler
from gateway.stock.handler import CellHandler
from gateway.stock.pool import StockPool


class PublicFileHandler(StaticFileHandler):
    """Stock's files below `/public/`, as gateway/http/static_files.py without a project's variables."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        if Path(absolute_path).resolve().name == ENV_FILE:
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)


class StockPersonality(NotebookHTTPPersonality):  # type: ignore[misc]
    """The interface that KernelGatewayApp and GatewayApp expect; requests are served in this process."""

    functions: Mapping[int, str] = MappingProxyType({})  # only cells of Python are read

    def __init__(self, **kwargs: Any) -> None:
        """Raises NotebookError if the notebook has no endpoint."""
        super().__init__(**kwargs)
        if not self.endpoints():
            prefix = self.comment_prefix.get(self.parent.notebook.language, "#")
            reason = f"no cell begins with a comment such as {prefix} GET /hello_world"
            raise NotebookError.outside_cells("NoEndpoints", reason)
        # As in the engine. What is before the first boundary counts as a part.
        multipart, urlencoded = ParseMultipartConfig(max_parts=MAX_FIELDS + 1), ParseUrlEncodedConfig(MAX_FIELDS)
        set_parse_body_config(ParseBodyConfig(multipart, urlencoded))
        slot = self.parent.slot
        self.pool = StockPool(self.parent.kernel_manager, slot.queue_limit, slot.start_timeout, self.log)

    async def init_configurables(self) -> None:
        await self.parent.start_serving(self._start)

    async def _start(self) -> None:
        record.install(self.parent.web_app, self.pool, self.parent.observer)
        await self.pool.start(self.parent.slot.kernels)
        self.parent.http_server.add_socket(self.parent.listener)

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Stock's routes, at all of the API's addresses, each endpoint with our handler; and the OpenAPI document."""
        max_output = self.parent.slot.max_output_mb * 1024 * 1024
        extra = {"pool": self.pool, "limit": self.parent.slot.request_timeout, "max_output": max_output}
        stock = [
            (path, CellHandler, {**arguments[0], **extra})
            if handler is NotebookAPIHandler
            else (path, PublicFileHandler if handler is StaticFileHandler else handler, *arguments)
            for path, handler, *arguments in super().create_request_handlers()[:-1]
        ]
        routes = [openapi.route(self), *stock]
        base_url = self.parent.base_url
        return [
            *((PATTERN + path.removeprefix(base_url), *more) for path, *more in routes),
            (r"/(.*)", UnknownPathHandler),
        ]

    def endpoints(self) -> list[dict[str, str]]:
        """[{"method": "GET", "path": "/hello/:name"}, …] in stock's order."""
        routes = self.api_parser.endpoints(list(self.parent.notebook.cells))
        return [{"method": method, "path": path} for path, methods in routes for method in methods]

    async def drain(self) -> None:
        """Answer all requests that have reached this slot, also those in the backlog."""
        server, listener = self.parent.http_server, self.parent.listener
        with suppress(BlockingIOError):
            while self.parent.ready:
                server._handle_connection(listener.accept()[0], "")
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

    async def explain(self, request_id: str, started: float) -> Verdict | None:
        """Always None: a request whose kernel dies gets its response from CellHandler."""
        return None


create_personality = StockPersonality
