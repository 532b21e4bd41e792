"""Serves the endpoints of a notebook in another language than Python, over the Jupyter protocol."""

import asyncio
import json
import re
import time
from http import HTTPStatus
from typing import Any

from kernel_gateway.notebook_http.handlers import NotebookAPIHandler
from kernel_gateway.notebook_http.request_utils import format_request, headers_to_dict, parse_args, parse_body

from gateway.http import address, response_info
from gateway.http.response import TEXT
from gateway.http.wire import RejectedRequest
from gateway.notebook.failure import ANSI
from gateway.records import log
from gateway.records.record import Excerpt
from gateway.stock.errors import JsonErrorHandler
from gateway.stock.pool import Output, StockKernel, StockPool

# In double quotes bash, Perl, Ruby, Julia and others run or replace what follows one of these.
INTERPOLATION = re.compile(r"[$`#@!]")
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


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
        except RejectedRequest as rejection:
            if rejection.status == HTTPStatus.SERVICE_UNAVAILABLE:
                self.set_header("Retry-After", "1")
            self.respond_error(rejection.status, rejection.code, str(rejection))
        except TimeoutError:
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
        self.set_header("Content-Type", TEXT)
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
            where = f"{method} {address.split(self.request.path.encode())[1].decode()}"
            self.respond_error(500, "bad-response-info", f"the ResponseInfo of {where} {error}")
        else:
            await self.finish(None if self.get_status() in WITHOUT_BODY else _text(output))

    def _apply_info(self, info: Output) -> None:
        """Set the status and the headers that a ResponseInfo cell gives; raises ValueError with the reason."""
        status, headers = response_info.read(info_text(info).encode())
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


def info_text(output: Output) -> str:
    """What a ResponseInfo cell prints, else the text of its last expression."""
    return "".join(output.stdout) or str((output.result or {}).get("text/plain", ""))


def _text(output: Output) -> str:
    """As stock: stdout, else the mime bundle of the last expression as JSON, else nothing."""
    if output.stdout:
        return "".join(output.stdout)
    return json.dumps(output.result) if output.result else ""
