"""Makes an example of a value from its JSON Schema: what the schema names, else the simplest value of its type."""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 6  # a model may contain itself
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "P1D",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "email": "name@example.com",
    "uri": "https://example.com/",
}


def make_example(schema: Any, schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """An example; `schemas` are those that a `$ref` names. None if there is nothing to go by."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    if "$ref" in schema:
        return make_example(schemas.get(schema["$ref"].rpartition("/")[2]), schemas, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return make_example(schema[key][0], schemas, depth + 1)
    return _of_type(schema, schemas, depth)


def _of_type(schema: dict[str, Any], schemas: Mapping[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {}).items()
            required = schema.get("required", ())
            shown = [(name, each) for name, each in properties if name in required or "default" not in each]
            return {name: make_example(each, schemas, depth + 1) for name, each in shown}
        case "array":
            items = [make_example(each, schemas, depth + 1) for each in schema.get("prefixItems", ())]
            return items or ([make_example(schema["items"], schemas, depth + 1)] if schema.get("items") else [])
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "string":
            text = _FORMATS.get(str(schema.get("format")), "text")
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text) + 1000)]
    return None


def _number(schema: dict[str, Any]) -> Any:
    for key, step in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1)):
        if key in schema:
            return schema[key] + step
    return 1


def make_request(function: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """An example of REQUEST for a function, as gateway.worker.function_schema describes it: path, args and body."""
    request: dict[str, Any] = {
        "path": {name: make_example(schema, schemas) for name, schema in function["path"].items()},
        "args": {each["name"]: make_example(each["schema"], schemas) for each in function["query"] if each["required"]},
    }
    content = (function["body"] or {}).get("content", {}).get("application/json")
    if content and content["schema"]:
        request["body"] = make_example(content["schema"], schemas)
    return {key: value for key, value in request.items() if value}
