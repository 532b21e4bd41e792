"""The MCP server: lists the tools of the API that is being served, and calls them."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from control.tools.api import Api, NoAnswer
from control.tools.call import ArgumentError, to_call
from control.tools.result import error, to_result
from control.tools.tool import to_tool

Context = ServerRequestContext[dict[str, Any]]
# The rest of the request is the protocol's. nginx has set these, and those that the API gets from nginx otherwise.
FORWARDED = ("User-Agent", "X-Request-Id", "Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto")


def create_server(api: Api) -> Server:
    async def list_tools(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """All of them; a client may not keep them, as a restart changes them."""
        try:
            operations = await api.operations()
        except NoAnswer as why:
            raise MCPError(types.INTERNAL_ERROR, str(why)) from None
        return types.ListToolsResult(tools=[to_tool(each) for each in operations.values()], ttl_ms=0)

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            operations = await api.operations()
            operation = operations.get(params.name)
            if not operation:
                names = ", ".join(operations) or "none"
                raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name!r}. The tools are: {names}.")
            return to_result(await api.send(to_call(operation, params.arguments or {}, headers(context))), operation)
        except (ArgumentError, NoAnswer) as why:
            return error(str(why))

    # No schema asks for Mcp-Param headers; without this function, each call would list all tools to see that.
    return Server(
        "Notebook API", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=lambda name: None
    )


def headers(context: Context) -> dict[str, str]:
    """Who calls, for the function and the inspector. A call is in the log under the id of its request."""
    received: Mapping[str, str] = context.request.headers if context.request else {}
    forwarded = {name: value for name in FORWARDED if (value := received.get(name))}
    return {"X-Request-Id": uuid4().hex, **forwarded}
