"""The tools as an agent's client sees them, with stand-ins for the APIs behind their sockets."""

import asyncio
import http.server
import json
import socketserver
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from control.config.run_dir import ApiDir, RunDir, point_link, write_json
from control.tools.apis import Apis
from control.tools.server import create_app
from tests.support.openapi_document import document, function, parameter

MAX_ANSWER = 1000
CUT = "a response that breaks off"
Result = TypeVar("Result")
ADD = function("add", path="/add/{a}", parameters=[parameter("a", "path", "integer")])
RESTARTING = "The API is down and will be started again. Try again soon."


class FakeApi(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves `document`; any other request gets the next of `answers`: status, body, or None to break off."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.document = document(add=ADD)
        self.before_document: Callable[[], object] = lambda: None
        self.answers: list[tuple[int, str] | None] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def targets(self) -> list[str]:
        return [request[1] for request in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    server: FakeApi

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        prefix, is_document, _ = self.path.partition("/_api/spec/openapi.json")
        if is_document:
            self.server.before_document()
            answer: tuple[int, str] | None = (200, self.server.document.decode().replace("/invoke", prefix))
        else:
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


class Stage:
    """A run directory in which the control app would have served APIs. `shop` is the default."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.servers: list[FakeApi] = []
        run.api_links.mkdir()

    def start(self, project: str = "shop", slot: str = "blue") -> FakeApi:
        api = self.prepare(project, slot)
        self.servers.append(FakeApi(api.slot(slot) / "api.sock"))
        return self.servers[-1]

    def start_gateway(self, project: str = "shop") -> FakeApi:
        self.servers.append(FakeApi(self.run.api(project).slot_admin_socket("blue")))
        return self.servers[-1]

    def prepare(self, project: str, slot: str = "blue") -> ApiDir:
        """All but the slot's sockets."""
        api = self.run.api(project)
        api.slot(slot).mkdir(parents=True)
        write_json(api.project, {"name": project})
        point_link(api.link, api.slot(slot))
        if project == "shop":
            self.make_default(project)
        return api

    def make_default(self, project: str) -> None:
        point_link(self.run.default_link, self.run.api_link(project))

    def stop(self, project: str) -> None:
        self.run.api_link(project).unlink()

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(dir="/tmp") as path:  # socket paths are short
        stage = Stage(RunDir(Path(path)))
        yield stage
        stage.close()


def talk(stage: Stage, *steps: Callable[[Client], Awaitable[Result]], path: str = "/mcp") -> list[Result]:
    """What each step returns, one after the other with one client."""

    async def conversation() -> list[Result]:
        app = create_app(Apis(stage.run, MAX_ANSWER), max_body=10_000)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http,
            Client(streamable_http_client(f"http://localhost{path}", http_client=http)) as client,
        ):
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


def test_a_restart_changes_the_tools(stage: Stage) -> None:
    first = stage.start()

    async def restart(_: Client) -> list[str]:
        stage.start(slot="green").document = document(add=ADD, subtract=function("subtract"))
        return []

    assert talk(stage, names, names, restart, names) == [["add"], ["add"], [], ["add", "subtract"]]
    assert len(first.requests) == 1  # the document is read once for each start


def test_each_api_has_tools_of_its_own_at_its_own_address(stage: Stage) -> None:
    shop, bank = stage.start(), stage.start("my bank/ü {a}?%2F")
    shop.answers, bank.answers = [(200, "1"), (200, "2")], [(200, "3")]
    bank.document = document(add=ADD, pay=function("pay"))
    address = "/apis/my%20bank.%C3%BC%20%7Ba%7D%3F%252F"

    assert talk(stage, names) == [["add"]]
    assert talk(stage, names, path="/apis/shop/mcp") == [["add"]]
    assert talk(stage, names, path=f"{address}/mcp") == [["add", "pay"]]
    assert text(*talk(stage, add(a=1))) == "1"
    assert text(*talk(stage, add(a=1), path="/apis/shop/mcp")) == "2"
    assert text(*talk(stage, add(a=1), path=f"{address}/mcp")) == "3"
    assert [target for target in shop.targets() if "add" in target] == ["/invoke/add/1", "/apis/shop/add/1"]
    assert [target for target in bank.targets() if "add" in target] == [f"{address}/add/1"]


def test_an_agent_is_told_whose_functions_it_gets(stage: Stage) -> None:
    async def read_instructions(client: Client) -> str | None:
        return client.instructions

    assert talk(stage, read_instructions) == [None]
    stage.start()
    stage.start("my/bank")
    of_default = "The tools are the functions of the default API, which is that of shop now."
    assert talk(stage, read_instructions) == [of_default]
    assert talk(stage, read_instructions, path="/apis/my.bank/mcp") == [
        "The tools are the functions of the API of my/bank."
    ]


def test_after_a_change_of_the_default_its_tools_are_listed_and_called(stage: Stage) -> None:
    shop, bank = stage.start(), stage.start("bank")
    bank.document = document(pay=function("pay"))

    async def change(_: Client) -> list[str]:
        stage.make_default("bank")
        return []

    async def add_one(client: Client) -> list[str]:
        return [await failure(client.call_tool("add", {"a": 1}))]

    assert talk(stage, names, change, add_one, names) == [
        ["add"],
        [],
        ["There is no tool 'add'. The tools are: pay."],
        ["pay"],
    ]
    assert shop.targets() == ["/invoke/_api/spec/openapi.json"]


def test_a_call_stays_with_its_project_when_the_default_changes_meanwhile(stage: Stage) -> None:
    shop, bank = stage.start(), stage.start("bank")
    shop.answers = [(200, "5")]
    shop.before_document = lambda: stage.make_default("bank")

    assert text(*talk(stage, add(a=1))) == "5"
    assert set(bank.targets()) <= {"/invoke/_api/spec/openapi.json"}  # the client lists the tools afterwards


def test_a_call_is_a_request_with_an_id_of_its_own(stage: Stage) -> None:
    api = stage.start()
    api.answers = [(200, '{"sum": 3}'), (200, "4")]

    one, two = talk(stage, add(a=1), add(a=2))

    assert (one.structured_content, text(two)) == ({"sum": 3}, "4")
    calls = api.requests[1:]
    assert [call[:2] for call in calls] == [("GET", "/invoke/add/1"), ("GET", "/invoke/add/2")]
    ids = {call[2]["X-Request-Id"] for call in calls}
    assert len(ids) == 2


def test_an_error_of_the_api_and_a_wrong_argument_reach_the_agent(stage: Stage) -> None:
    stage.start().answers = [(404, '{"message": "no such row"}')]

    results = talk(stage, add(a=1), add())

    assert [(text(each), each.is_error) for each in results] == [
        ("no such row", True),
        ("a: A value is required, as a part of the address.", True),
    ]


def test_an_unknown_tool_is_an_error_that_names_those_there_are(stage: Stage) -> None:
    stage.start()

    assert talk(stage, lambda client: failure(client.call_tool("sub", {}))) == [
        "There is no tool 'sub'. The tools are: add."
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/mcp", "What is served: /apis/bank"),
        ("/apis/no%20shop/mcp", "/apis/no shop: What is served: /apis/bank"),
    ],
)
def test_where_nothing_is_served_a_call_and_a_list_say_what_is(stage: Stage, path: str, message: str) -> None:
    stage.start("bank")
    write_json(stage.run.not_serving, {"message": "What is served: /apis/bank"})

    [result] = talk(stage, add(a=1), path=path)
    assert (result.is_error, text(result)) == (True, message)
    assert talk(stage, lambda client: failure(client.list_tools()), path=path) == [message]


def test_while_no_slot_listens_a_call_and_a_list_say_so(stage: Stage) -> None:
    stage.prepare("shop")

    [result] = talk(stage, add(a=1))
    assert (result.is_error, text(result)) == (True, RESTARTING)
    assert talk(stage, lambda client: failure(client.list_tools())) == [RESTARTING]


def test_the_gateway_says_why_a_call_got_no_response(stage: Stage) -> None:
    stage.start().answers = [None]
    gateway = stage.start_gateway()
    gateway.answers = [(502, '{"message": "the kernel died"}')]

    [result] = talk(stage, add(a=1), path="/apis/shop/mcp")

    assert (result.is_error, text(result)) == (True, "the kernel died")
    [(method, path, headers, _)] = gateway.requests
    assert (method, path) == ("POST", "/explain")
    assert (headers["X-Failed-Method"], headers["X-Failed-Target"]) == ("GET", "/apis/shop/add/1")
    assert headers["X-Connect-Time"] == "0"


def test_without_a_gateway_too_a_call_ends_with_an_error(stage: Stage) -> None:
    stage.start().answers = [None]

    [result] = talk(stage, add(a=1))

    assert (result.is_error, text(result)) == (True, RESTARTING)


def test_a_response_that_breaks_off_is_an_error_and_the_gateway_is_not_asked(stage: Stage) -> None:
    stage.start().answers = [(200, CUT)]
    gateway = stage.start_gateway()

    [result] = talk(stage, add(a=1))

    assert (result.is_error, text(result)) == (True, "The response broke off. The log says why.")
    assert gateway.requests == []


def test_a_response_without_an_end_is_an_error(stage: Stage) -> None:
    stage.start().answers = [(200, json.dumps("x" * MAX_ANSWER))]

    [result] = talk(stage, add(a=1))

    assert result.is_error
    assert "larger than 1,000 bytes (MAX_OUTPUT_MB)" in text(result)
