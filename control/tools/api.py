"""Requests to a served API over its socket, and the tools that its OpenAPI document describes."""

import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx2

from control.config.run_dir import RunDir, project_behind, read_json, socket_behind
from control.tools.operation import Operation, read_operations

DOCUMENT = "/_api/spec/openapi.json"
NOT_SERVING = "No notebook is being served."
BROKEN_OFF = "The response broke off. The log says why."
RESTARTING = "The API is down and will be started again. Try again soon."
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the client wants one, and making it takes longer than all else


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
    """An API at one of its addresses, whichever slot it is in."""

    def __init__(self, run: RunDir, slug: str, max_answer: int, *, is_default: bool) -> None:
        """`max_answer`: the largest body of a response, in bytes; a stream may have no end."""
        self.is_default = is_default
        self._run = run
        self._slug = slug
        self._link = run.api_links / slug
        self._address = "/invoke" if is_default else quote(f"/apis/{slug}")
        self._max_answer = max_answer
        self._operations: dict[str, Operation] = {}
        self._version: tuple[int, int] | None = None

    def project(self) -> str:
        return project_behind(self._link) or self._slug

    async def operations(self) -> dict[str, Operation]:
        """The functions by their tools' names; raises NoAnswer.

        Each start of a notebook makes a new socket, so the document is read once for each.
        """
        try:
            status = os.stat(socket_behind(self._link, "api.sock"))  # noqa: PTH116 Path.stat is the same
        except OSError:
            raise self._absence() from None
        version = (status.st_ino, status.st_ctime_ns)
        if version != self._version:
            answer = await self.send(Call("GET", self._address + DOCUMENT))
            if answer.status != 200:
                raise NoAnswer(f"The API has no OpenAPI document (status {answer.status}).")
            self._operations, self._version = read_operations(answer.body), version
        return self._operations

    async def send(self, call: Call) -> Answer:
        """The API's response, or that of its gateway, which knows why there was none; raises NoAnswer."""
        began = time.monotonic()
        try:
            return await self._exchange("api.sock", call)
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
            return await self._exchange("admin.sock", Call("POST", "/explain", headers, call.body))
        except httpx2.TransportError:
            raise self._absence() from None

    async def _exchange(self, socket: str, call: Call) -> Answer:
        async with _client(socket_behind(self._link, socket)) as client:
            # The client would decode and normalize the target: `%2F` and `..` are values here.
            target = {"target": call.target.encode("ascii")}
            request = client.build_request(call.method, "/", headers=call.headers, content=call.body or None)
            request.extensions = {**request.extensions, **target}
            response = await client.send(request, stream=True)
            try:
                return Answer(response.status_code, response.headers, await self._read(response))
            except httpx2.TransportError:
                raise NoAnswer(BROKEN_OFF) from None
            finally:
                await response.aclose()

    async def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_answer:
                raise NoAnswer(f"The response is larger than {self._max_answer:,} bytes (MAX_OUTPUT_MB).")
        return bytes(body)

    def _absence(self) -> NoAnswer:
        if self._link.is_symlink():
            return NoAnswer(RESTARTING)
        return NoAnswer(describe_absence(self._run, None if self.is_default else self._slug))


def describe_absence(run: RunDir, slug: str | None) -> str:
    """In nginx's words, which list what is served; `slug` is None for the default API."""
    message = str((read_json(run.not_serving) or {}).get("message", NOT_SERVING))
    return f"/apis/{slug}: {message}" if slug else message


def _client(socket: Path) -> httpx2.AsyncClient:
    """For one request, without time limits, as the API has them."""
    transport = httpx2.AsyncHTTPTransport(uds=str(socket), verify=NO_TLS)
    headers = {"User-Agent": "notebook-api-tools", "Connection": "close"}
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=None, headers=headers)
