"""Requests to the served API over its socket, and the tools that its OpenAPI document describes."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from control.config.run_dir import RunDir
from control.tools.operation import Operation, read_operations

DOCUMENT = "/invoke/_api/spec/openapi.json"
NOT_SERVING = "No notebook is being served. Start one on the homepage, or with /process/start?notebook=<project>."
BROKEN_OFF = "The response broke off. The log says why."
RESTARTING = "The API is restarting. Try again in a second."


class NoAnswer(Exception):
    """The API sent no response; the text says why."""


@dataclass(frozen=True)
class Call:
    """A request; `target` is quoted."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: httpx2.Headers
    body: bytes


class Api:
    """The API that is being served, whichever slot it is in."""

    def __init__(self, run: RunDir, max_answer: int) -> None:
        """`max_answer`: the largest body of a response, in bytes; a stream may have no end."""
        self._run = run
        self._max_answer = max_answer
        self._operations: dict[str, Operation] = {}
        self._version: tuple[int, int] | None = None
        self._client = _client(str(run.api_socket))
        self._admin = _client(str(run.api_admin_socket))

    async def operations(self) -> dict[str, Operation]:
        """The functions by their tools' names; raises NoAnswer.

        Each start of a notebook makes a new socket, so the document is read once for each.
        """
        try:
            status = os.stat(self._run.api_socket)  # noqa: PTH116 Path.stat is the same
        except OSError:
            raise NoAnswer(NOT_SERVING) from None
        version = (status.st_ino, status.st_ctime_ns)
        if version != self._version:
            answer = await self.send(Call("GET", DOCUMENT))
            if answer.status != 200:
                raise NoAnswer(f"The API has no OpenAPI document (status {answer.status}).")
            self._operations, self._version = read_operations(answer.body), version
        return self._operations

    async def send(self, call: Call) -> Answer:
        """The API's response, or that of its gateway, which knows why there was none; raises NoAnswer."""
        began = time.monotonic()
        try:
            return await self._exchange(self._client, call)
        except httpx2.TransportError as error:
            seconds = time.monotonic() - began
            return await self._explain(call, seconds, is_connected=not isinstance(error, httpx2.ConnectError))

    async def _explain(self, call: Call, seconds: float, *, is_connected: bool) -> Answer:
        """As nginx asks when it got no response (`@no_response` in conf/nginx.conf.j2)."""
        headers = {
            **call.headers,
            "X-Failed-Method": call.method,
            "X-Failed-Target": call.target,
            "X-Failed-After": f"{seconds:.3f}",
            "X-Connect-Time": "0" if is_connected else "-",
        }
        try:
            return await self._exchange(self._admin, Call("POST", "/explain", headers, call.body))
        except httpx2.TransportError:
            raise NoAnswer(RESTARTING if self._run.serving_link.exists() else NOT_SERVING) from None

    async def _exchange(self, client: httpx2.AsyncClient, call: Call) -> Answer:
        # The client would decode and normalize the target: `%2F` and `..` are values here.
        target = {"target": call.target.encode("ascii")}
        request = client.build_request(call.method, "/", headers=call.headers, content=call.body or None)
        request.extensions = {**request.extensions, **target}
        response = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_answer:
                    raise NoAnswer(f"The response is larger than {self._max_answer:,} bytes (MAX_OUTPUT_MB).")
            return Answer(response.status_code, response.headers, bytes(body))
        except httpx2.TransportError:
            raise NoAnswer(BROKEN_OFF) from None
        finally:
            await response.aclose()


def _client(socket: str) -> httpx2.AsyncClient:
    """Without time limits, as the API has them, and without keep-alive, which would outlive a restart."""
    transport = httpx2.AsyncHTTPTransport(uds=socket, limits=httpx2.Limits(max_keepalive_connections=0))
    headers = {"User-Agent": "notebook-api-tools", "Connection": "close"}
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=None, headers=headers)
