"""The endpoints as an RSGI application: Granian's own interface, without a framework."""

import json
from typing import Any

TEXT, JSON = [("content-type", "text/plain; charset=utf-8")], [("content-type", "application/json")]


async def app(scope: Any, protocol: Any) -> None:
    if scope.method == "GET" and scope.path == "/invoke/hello_world":
        protocol.response_str(200, TEXT, "Hello, world!\n")
    elif scope.method == "POST" and scope.path == "/invoke/event":
        payload = json.loads(await protocol())
        row = payload["event"]["data"]["new"]
        protocol.response_str(201, JSON, json.dumps({"id": row["id"], "op": payload["event"]["op"]}))
    else:
        protocol.response_empty(404, [])
