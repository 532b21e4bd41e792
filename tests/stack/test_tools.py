"""Functions as tools, as agents call them over nginx with the API user's password."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import fastmcp
import httpx2
import mcp
import mcp_types as types
import pytest
import requests
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp.client.streamable_http import streamable_http_client

from tests.support.stack import API_USER, Stack, as_json
from tests.support.waiting import eventually

SHARED = """
import asyncio, pathlib
from typing import Iterator, Literal
import flask
from pydantic import BaseModel, Field

class Part(BaseModel):
    size: float

class Item(BaseModel):
    name: str
    price: float = Field(ge=0)
    parts: list[Part] = []
"""
CONVERT = '''# GET /convert
def convert(amount: float, to: Literal["EUR", "GBP"] = "EUR") -> dict[str, float | str]:
    """Converts an amount of US dollars.

    At the rate of the day.
    """
    return {"amount": amount * 2, "currency": to}
'''
FUNCTIONS = [
    CONVERT,
    "# PUT /items/:number\ndef put_item(number: int, item: Item) -> Item:\n    return item",
    '# GET /rows/:name\ndef find_row(name: str) -> str:\n    flask.abort(404, "no such row")',
    "# POST /upload\ndef upload(file: bytes, label: str) -> str:\n    return f'{label}: {len(file)}'",
    "# GET /picture\ndef picture() -> flask.Response:\n    return flask.Response(b'\\x89PNG', mimetype='image/png')",
    "# DELETE /items/:number\ndef delete_item(number: int) -> None:\n    pass",
    "# GET /fails\ndef fails() -> str:\n    return {}['nothing']",
    "# GET /waits\nasync def wait(folder: str) -> str:\n    (pathlib.Path(folder) / 'begun').touch()\n    try:\n"
    "        await asyncio.Event().wait()\n    finally:\n        (pathlib.Path(folder) / 'ended').touch()",
    "# GET /pieces\ndef pieces(count: int = 3) -> Iterator[str]:\n    for number in range(count):\n"
    "        yield f'{number} '\n    if count > 3:\n        raise ValueError",
    "# GET /cell\nprint('no tool')",
]
BANK = "my bank/ü"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a test", "version": "1"},
    },
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
HEADERS = {"Accept": "application/json, text/event-stream"}
MOST_MEMORY = 90_000_000  # bytes; 60 MB as measured
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def tool_stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack.start()


@pytest.fixture
def tools(tool_stack: Stack) -> Stack:
    tool_stack.keep_serving("shop", [SHARED, *FUNCTIONS])
    return tool_stack


def is_running(stack: Stack) -> bool:
    return any("control.tools" in process.command for process in stack.processes())


def http_client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(auth=httpx2.BasicAuth(*API_USER), trust_env=False, timeout=30)


def talk(stack: Stack, *steps: Callable[[mcp.Client], Awaitable[Result]], path: str = "/mcp") -> list[Result]:
    """What the steps return, one after the other with one client of the SDK."""

    async def conversation() -> list[Result]:
        async with (
            http_client() as http,
            mcp.Client(streamable_http_client(f"{stack.url}{path}", http_client=http)) as client,
        ):
            return [await step(client) for step in steps]

    return asyncio.run(conversation())


async def list_tools(client: mcp.Client) -> dict[str, types.Tool]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


def call(stack: Stack, tool: str, /, **arguments: Any) -> types.CallToolResult:
    [result] = talk(stack, lambda client: client.call_tool(tool, arguments))
    return result


async def read_instructions(client: mcp.Client) -> str | None:
    return client.instructions


def text(result: types.CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def failure(request: Awaitable[object]) -> str:
    """The message of an error of the protocol."""
    with pytest.raises(mcp.MCPError) as error:
        await request
    return str(error.value)


def post(stack: Stack, message: dict[str, Any], **arguments: Any) -> Any:
    headers = {**HEADERS, **arguments.pop("headers", {})}
    return stack.post("/mcp", json=message, auth=arguments.pop("auth", API_USER), headers=headers, **arguments)


def test_nothing_runs_until_a_request_with_a_password_comes_and_then_all_are_answered(tool_stack: Stack) -> None:
    assert tool_stack.get("/healthz?full").status_code == 200
    assert post(tool_stack, INITIALIZE, auth=None).status_code == 401
    assert post(tool_stack, INITIALIZE, headers={"Origin": "http://evil.example"}).status_code == 403
    assert tool_stack.get("/mcp", auth=API_USER).status_code == 405
    assert not is_running(tool_stack)

    with ThreadPoolExecutor(5) as pool:
        responses = list(pool.map(lambda _: post(tool_stack, INITIALIZE), range(5)))

    assert [response.status_code for response in responses] == [200] * 5
    assert as_json(responses[0])["result"]["protocolVersion"] == "2025-06-18"
    assert tool_stack.process("control.tools").memory() < MOST_MEMORY


def test_the_functions_are_the_tools(tools: Stack) -> None:
    [listed] = talk(tools, list_tools)

    names = ["convert", "put_item", "find_row", "upload", "picture", "delete_item", "fails", "wait", "pieces"]
    assert sorted(listed) == sorted(names)
    convert = listed["convert"]
    assert convert.description == "Converts an amount of US dollars.\n\nAt the rate of the day."
    assert convert.input_schema["required"] == ["amount"]
    assert convert.input_schema["properties"]["to"]["enum"] == ["EUR", "GBP"]
    assert convert.output_schema is not None
    assert set(listed["put_item"].input_schema["properties"]) == {"number", "name", "price", "parts"}
    assert "Part" in listed["put_item"].input_schema["$defs"]
    assert listed["upload"].input_schema["properties"]["file"]["contentEncoding"] == "base64"


def test_the_homepage_shows_how_to_add_them_to_an_agent(tools: Stack) -> None:
    assert f"claude mcp add --transport http shop {tools.url}/mcp " in tools.get("/").text


def test_a_call_returns_what_the_function_returns(tools: Stack) -> None:
    converted = call(tools, "convert", amount=1.5)
    put = call(tools, "put_item", number=5, name="x", price=1, parts=[{"size": 2}])
    uploaded = call(tools, "upload", file=base64.b64encode(b"\x00" * 10).decode(), label="ä")
    [image] = call(tools, "picture").content

    assert converted.structured_content == {"amount": 3.0, "currency": "EUR"}
    assert put.structured_content == {"name": "x", "price": 1.0, "parts": [{"size": 2.0}]}
    assert text(call(tools, "pieces")) == "0 1 2 "
    assert text(uploaded) == "ä: 10"
    assert image == types.ImageContent(data=base64.b64encode(b"\x89PNG").decode(), mime_type="image/png")
    assert text(call(tools, "delete_item", number=5)) == ""


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("convert", {"amount": "much"}, "amount: Input should be a valid number"),
        ("convert", {"amount": 1, "to": "XXX"}, "to: Input should be 'EUR' or 'GBP'"),
        ("put_item", {"number": 1, "name": "x", "price": -1}, "price: Input should be greater than or equal to 0"),
        ("convert", {"amount": 1, "into": "EUR"}, "into: There is no such argument."),
        ("find_row", {"name": "x"}, "no such row"),
        ("fails", {}, "KeyError: 'nothing'"),
        ("pieces", {"count": 4}, "The response broke off."),
    ],
)
def test_what_went_wrong_reaches_the_agent(tools: Stack, name: str, arguments: dict[str, Any], message: str) -> None:
    result = call(tools, name, **arguments)

    assert result.is_error
    assert message in text(result)


def test_another_client_lists_and_calls_them_too(tools: Stack) -> None:
    async def use() -> tuple[set[str], Any, str]:
        transport = StreamableHttpTransport(f"{tools.url}/mcp", auth=httpx2.BasicAuth(*API_USER))
        async with fastmcp.Client(transport) as client:
            names = {tool.name for tool in await client.list_tools()}
            result = await client.call_tool("convert", {"amount": 2})
            with pytest.raises(ToolError) as error:
                await client.call_tool("find_row", {"name": "x"})
            return names, result.structured_content, str(error.value)

    names, content, error = asyncio.run(use())

    assert {"convert", "put_item"} <= names
    assert content == {"amount": 4.0, "currency": "EUR"}
    assert error == "no such row"


def test_a_call_is_among_the_requests_with_the_agents_own_id(tools: Stack) -> None:
    params = {"name": "convert", "arguments": {"amount": 7}}
    headers = {"X-Request-Id": "of-an-agent", "User-Agent": "an-agent/1"}
    assert post(tools, {**LIST, "method": "tools/call", "params": params}, headers=headers).status_code == 200

    def find() -> dict[str, Any] | None:
        return next((each for each in tools.calls() if each["request_id"] == "of-an-agent"), None)

    found = eventually(find, 5, "the call")
    assert (found["endpoint"], found["path"], found["status"]) == ("/convert", "/invoke/convert?amount=7", 200)
    [agent] = [
        value
        for name, value in tools.get(f"/process/requests/{found['id']}").json()["request"]["headers"]
        if name == "User-Agent"
    ]
    assert agent == "an-agent/1"


def test_a_restart_changes_the_tools_and_a_stop_is_told_of(tools: Stack) -> None:
    async def restart(_: mcp.Client) -> dict[str, types.Tool]:
        await asyncio.to_thread(tools.serve, "shop", [SHARED, CONVERT.replace("convert", "exchange")])
        return {}

    before, _, after = talk(tools, list_tools, restart, list_tools)
    assert "convert" in before
    assert list(after) == ["exchange"]

    tools.stop_api()
    stopped = call(tools, "exchange", amount=1)
    assert stopped.is_error
    assert "No notebook is being served. Start one" in text(stopped)


@pytest.fixture
def bank(tools: Stack) -> Iterator[str]:
    """The address of the tools of a second API; `shop` is the default one again afterwards."""
    pay = "# POST /pay\ndef pay(amount: int) -> int:\n    return amount"
    tools.write(BANK, [SHARED, CONVERT.replace("* 2", "* 3"), pay])
    response = tools.start_api(BANK)
    assert response.status_code == 200, response.text
    yield "/apis/my%20bank.%C3%BC/mcp"
    tools.process_call("default", "shop")


def test_each_api_has_tools_of_its_own_at_its_own_address(tools: Stack, bank: str) -> None:
    def convert(client: mcp.Client) -> Awaitable[types.CallToolResult]:
        return client.call_tool("convert", {"amount": 1})

    [own], [default] = talk(tools, list_tools, path=bank), talk(tools, list_tools)
    [tripled], [doubled] = talk(tools, convert, path=bank), talk(tools, convert)

    assert sorted(own) == ["convert", "pay"]
    assert "put_item" in default
    assert (tripled.structured_content, doubled.structured_content) == (
        {"amount": 3.0, "currency": "EUR"},
        {"amount": 2.0, "currency": "EUR"},
    )
    assert talk(tools, read_instructions, path=bank) == [f"The tools are the functions of the API of {BANK}."]
    assert len([each for each in tools.processes() if "control.tools" in each.command]) == 1


def test_another_default_changes_the_tools_and_no_call_goes_to_the_wrong_project(tools: Stack, bank: str) -> None:
    def put(client: mcp.Client) -> Awaitable[str]:
        return failure(client.call_tool("put_item", {"number": 1, "name": "x", "price": 1}))

    async def change(_: mcp.Client) -> str:
        response = await asyncio.to_thread(tools.process_call, "default", BANK)
        return str(response.status_code)

    assert talk(tools, change, put) == ["200", "There is no tool 'put_item'. The tools are: convert, pay."]
    assert sorted(*talk(tools, list_tools)) == ["convert", "pay"]


def test_at_an_address_without_an_api_the_agent_is_told_which_there_are(tools: Stack, bank: str) -> None:
    tools.process_call("stop", BANK)

    [result] = talk(tools, lambda client: client.call_tool("pay", {"amount": 1}), path=bank)
    assert result.is_error
    assert text(result).startswith("/apis/my bank.ü: ")
    assert "/apis/shop/" in text(result)
    assert "put_item" in talk(tools, list_tools, path="/apis/shop/mcp")[0]


def wait(stack: Stack, folder: Path, **arguments: Any) -> Any:
    params = {"name": "wait", "arguments": {"folder": str(folder)}}
    return post(stack, {**LIST, "method": "tools/call", "params": params}, **arguments)


def test_a_function_that_awaits_ends_when_its_agent_has_gone(tools: Stack, tmp_path: Path) -> None:
    with pytest.raises(requests.Timeout):
        wait(tools, tmp_path, timeout=2)

    assert (tmp_path / "begun").exists()
    eventually((tmp_path / "ended").exists, 5, "the end of the function")


def test_a_program_that_dies_is_told_of_and_the_next_request_starts_another(tools: Stack, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(wait, tools, tmp_path)
        eventually((tmp_path / "begun").exists, 10, "a call")
        tools.kill(tools.process("control.tools"))

        assert response.result().status_code == 503
    assert as_json(response.result())["extensions"]["code"] == "tools-down"
    eventually(lambda: post(tools, LIST).status_code == 200, 10, "another program")
    assert tools.status()["state"] == "serving"
    assert (tmp_path / "ended").exists()
