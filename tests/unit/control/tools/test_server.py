"""The tools as an agent's client sees them, with a stand-in for the API behind its socket."""

import asyncio
import http.server
import json
import socketserver
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import mcp_types as types
import pytest
from mcp import Client, MCPError

from control.config.run_dir import RunDir
from control.tools.api import Api
from control.tools.server import create_server
from tests.support.openapi_document import document, function, parameter

MAX_ANSWER = 1000
CUT = "a response that breaks off"
Result = TypeVar("Result")
ADD = function("add", path="/add/{a}", parameters=[parameter("a", "path", "integer")])
DOWN = "No notebook is being served"


class FakeApi(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves `document`; any other request gets the next of `answers`: status, body, or None to break off."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.document = document(add=ADD)
        self.answers: list[tuple[int, str] | None] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    server: FakeApi

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        answer = (200, self.server.document.decode())
        if not self.path.endswith("openapi.json"):
            answer = self.server.answers.pop(0)
        if answer:
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer[1]) + (answer[1] == CUT)))
            self.end_headers()
            self.wfile.write(answer[1].encode())

    do_POST = do_GET

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def run() -> Iterator[RunDir]:
    with tempfile.TemporaryDirectory(dir="/tmp") as path:  # socket paths are short
        run = RunDir(Path(path))
        for slot in ("blue", "green"):
            run.slot(slot).mkdir()
        yield run


@pytest.fixture
def start(run: RunDir) -> Iterator[Callable[[str], FakeApi]]:
    """Serves an API in a slot, as the control app switches to it."""
    servers = []

    def start_slot(slot: str) -> FakeApi:
        run.serving_link.unlink(missing_ok=True)
        run.serving_link.symlink_to(slot)
        servers.append(FakeApi(run.api_socket))
        return servers[-1]

    yield start_slot
    for server in servers:
        server.shutdown()
        server.server_close()


def talk(run: RunDir, *steps: Callable[[Client], Awaitable[Result]]) -> list[Result]:
    """What each step returns, one after the other with one client."""

    async def conversation() -> list[Result]:
        async with Client(create_server(Api(run, MAX_ANSWER))) as client:
            return [await step(client) for step in steps]

    return asyncio.run(conversation())


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


def add(**arguments: Any) -> Callable[[Client], Awaitable[types.CallToolResult]]:
    return lambda client: client.call_tool("add", arguments)


async def failure(request: Awaitable[object]) -> str:
    """The message of an error of the protocol."""
    try:
        await request
    except MCPError as error:
        return str(error)
    raise AssertionError("it did not fail")


def text(result: types.CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def test_a_restart_changes_the_tools(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    first = start("blue")

    async def restart(_: Client) -> list[str]:
        start("green").document = document(add=ADD, subtract=function("subtract"))
        return []

    assert talk(run, names, names, restart, names) == [["add"], ["add"], [], ["add", "subtract"]]
    assert len(first.requests) == 1  # the document is read once for each start


def test_a_call_is_a_request_with_an_id_of_its_own(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    api = start("blue")
    api.answers = [(200, '{"sum": 3}'), (200, "4")]

    one, two = talk(run, add(a=1), add(a=2))

    assert (one.structured_content, text(two)) == ({"sum": 3}, "4")
    calls = api.requests[1:]
    assert [call[:2] for call in calls] == [("GET", "/invoke/add/1"), ("GET", "/invoke/add/2")]
    ids = {call[2]["X-Request-Id"] for call in calls}
    assert len(ids) == 2


def test_an_error_of_the_api_and_a_wrong_argument_reach_the_agent(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    start("blue").answers = [(404, '{"message": "no such row"}')]

    results = talk(run, add(a=1), add())

    assert [(text(each), each.is_error) for each in results] == [
        ("no such row", True),
        ("a: A value is required, as a part of the address.", True),
    ]


def test_an_unknown_tool_is_an_error_that_names_those_there_are(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    start("blue")

    assert talk(run, lambda client: failure(client.call_tool("sub", {}))) == [
        "There is no tool 'sub'. The tools are: add."
    ]


@pytest.mark.parametrize("is_linked", [True, False])
def test_while_nothing_is_served_a_call_and_a_list_say_so(run: RunDir, is_linked: bool) -> None:
    if is_linked:
        run.serving_link.symlink_to("blue")

    [result] = talk(run, add(a=1))
    assert (result.is_error, text(result)[: len(DOWN)]) == (True, DOWN)
    assert talk(run, lambda client: failure(client.list_tools()))[0].startswith(DOWN)


def test_the_gateway_says_why_a_call_got_no_response(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    start("blue").answers = [None]
    gateway = FakeApi(run.api_admin_socket)
    gateway.answers = [(502, '{"message": "the kernel died"}')]

    [result] = talk(run, add(a=1))

    assert (result.is_error, text(result)) == (True, "the kernel died")
    [(method, path, headers, _)] = gateway.requests
    assert (method, path) == ("POST", "/explain")
    assert (headers["X-Failed-Method"], headers["X-Failed-Target"]) == ("GET", "/invoke/add/1")
    assert headers["X-Connect-Time"] == "0"
    gateway.shutdown()
    gateway.server_close()


def test_without_a_gateway_too_a_call_ends_with_an_error(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    start("blue").answers = [None]

    [result] = talk(run, add(a=1))

    assert (result.is_error, text(result)) == (True, "The API is restarting. Try again in a second.")


def test_a_response_that_breaks_off_is_an_error_and_the_gateway_is_not_asked(
    run: RunDir, start: Callable[[str], FakeApi]
) -> None:
    start("blue").answers = [(200, CUT)]

    [result] = talk(run, add(a=1))

    assert (result.is_error, text(result)) == (True, "The response broke off. The log says why.")


def test_a_response_without_an_end_is_an_error(run: RunDir, start: Callable[[str], FakeApi]) -> None:
    start("blue").answers = [(200, json.dumps("x" * MAX_ANSWER))]

    [result] = talk(run, add(a=1))

    assert result.is_error
    assert "larger than 1,000 bytes (MAX_OUTPUT_MB)" in text(result)
