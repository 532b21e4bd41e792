"""The MCP server: lists the tools of the API at a request's address, and calls them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.routing import Route

from control.tools.api import Api, NoAnswer
from control.tools.apis import Apis
from control.tools.call import ArgumentError, to_call
from control.tools.result import error, to_result
from control.tools.tool import to_tool

Context = ServerRequestContext[dict[str, Any]]
# The rest of the request is the protocol's. nginx has set these, and those that the API gets from nginx otherwise.
FORWARDED = ("User-Agent", "X-Request-Id", "Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto")


def create_app(apis: Apis, max_body: int) -> Starlette:
    """An ASGI application for `/mcp` and `/apis/<slug>/mcp`; `max_body`: the largest request, in bytes.

    nginx has checked `Origin` and the password.
    """
    manager = StreamableHTTPSessionManager(
        create_server(apis), json_response=True, stateless=True, max_request_body_size=max_body
    )
    endpoint = StreamableHTTPASGIApp(manager)
    routes = [Route("/mcp", endpoint), Route("/apis/{slug}/mcp", endpoint)]
    return Starlette(routes=routes, lifespan=lambda _: manager.run())


def create_server(apis: Apis) -> Server:
    async def list_tools(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """All of them; a client may not keep them, as a restart changes them."""
        try:
            operations = await find_api(apis, context).operations()
        except NoAnswer as why:
            raise MCPError(types.INTERNAL_ERROR, str(why)) from None
        return types.ListToolsResult(tools=[to_tool(each) for each in operations.values()], ttl_ms=0)

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            api = find_api(apis, context)
            operations = await api.operations()
            operation = operations.get(params.name)
            if not operation:
                names = ", ".join(operations) or "none"
                raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name!r}. The tools are: {names}.")
            return to_result(await api.send(to_call(operation, params.arguments or {}, headers(context))), operation)
        except (ArgumentError, NoAnswer) as why:
            return error(str(why))

    async def name_project(ctx: Context, call_next: CallNext) -> HandlerResult:
        """Tells an agent's model whose functions it gets."""
        result = await call_next(ctx)
        if ctx.method in ("initialize", "server/discover") and isinstance(result, dict):
            with suppress(NoAnswer):
                result["instructions"] = describe(find_api(apis, ctx))
        return result

    # No schema asks for Mcp-Param headers; without this function, each call would list all tools to see that.
    server = Server(
        "Notebook API", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=lambda name: None
    )
    server.middleware.append(name_project)
    return server


def find_api(apis: Apis, context: Context) -> Api:
    """Raises NoAnswer."""
    return apis.find(context.request.path_params.get("slug") if context.request else None)


def describe(api: Api) -> str:
    if api.is_default:
        return f"The tools are the functions of the default API, which is that of {api.project()} now."
    return f"The tools are the functions of the API of {api.project()}."


def headers(context: Context) -> dict[str, str]:
    """Who calls, for the function and the inspector. A call is in the log under the id of its request."""
    received: Mapping[str, str] = context.request.headers if context.request else {}
    forwarded = {name: value for name in FORWARDED if (value := received.get(name))}
    return {"X-Request-Id": uuid4().hex, **forwarded}
