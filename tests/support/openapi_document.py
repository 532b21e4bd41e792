"""An OpenAPI document of functions, as the gateway writes it."""

import json
from typing import Any

ITEM = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
    },
}
PART = {
    "type": "object",
    "properties": {"size": {"type": "number"}, "of": {"$ref": "#/components/schemas/Item"}},
}


def function(name: str, **operation: Any) -> dict[str, Any]:
    """An operation; `body` is the schema of a JSON body."""
    if body := operation.pop("body", None):
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"operationId": name, "x-function": name, "responses": {"200": {}}, **operation}


def parameter(name: str, place: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": kind}, **more}


def returns(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"content": {"application/json": {"schema": schema}}}}


def document(**paths: dict[str, Any]) -> bytes:
    """One path for each operation, `/<operationId>` unless the operation has a `path`."""
    items = {}
    for name, each in paths.items():
        operation = {key: value for key, value in each.items() if key not in ("path", "method")}
        items[each.get("path", f"/{name}")] = {each.get("method", "get"): operation}
    return json.dumps(
        {
            "openapi": "3.1.1",
            "servers": [{"url": "/invoke"}],
            "paths": items,
            "components": {"schemas": {"Item": ITEM, "Part": PART, "Unused": {"type": "string"}}},
        }
    ).encode()
