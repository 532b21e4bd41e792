"""Makes an example of a value from its JSON Schema: what the schema names, else the simplest value of its type."""

import math
from collections.abc import Mapping
from typing import Any

_DEEPEST = 6  # a model may contain itself
_MOST_ITEMS = 10
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "P1D",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "uuid1": "c9c8f6a2-5717-11f0-b3fc-2c963f66afa6",
    "uuid4": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "base64": "dGV4dA==",
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
            return items or _items(schema, schemas, depth)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "string":
            text = _FORMATS.get(str(schema.get("format")), "text")
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text) + 1000)]
    return None


def _items(schema: dict[str, Any], schemas: Mapping[str, Any], depth: int) -> list[Any]:
    """One, or as many as it must have; none where a model that contains itself would not end."""
    item = make_example(schema.get("items"), schemas, depth + 1)
    return [] if item is None else [item] * min(max(1, schema.get("minItems", 1)), _MOST_ITEMS)


def _number(schema: dict[str, Any]) -> Any:
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum", schema.get("maximum"))
    if step := schema.get("multipleOf"):
        least = schema.get("minimum", step if above is None else above + step)
        return math.ceil(least / step) * step
    if above is not None and below is not None and above + 1 >= below:  # a share: more than 0, less than 1
        return (above + below) / 2
    for key, step in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1)):
        if key in schema:
            return schema[key] + step
    return 1


def make_request(function: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """An example of REQUEST for a function, as gateway.worker.function_schema describes it: path, args and body.

    For an upload `form`, {field: value}, with "@FILE" for a file.
    """
    request: dict[str, Any] = {
        "path": {name: make_example(schema, schemas) for name, schema in function["path"].items()},
        "args": {each["name"]: make_example(each["schema"], schemas) for each in function["query"] if each["required"]},
    }
    content = (function["body"] or {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema:
        request["body"] = make_example(schema, schemas)
    if upload := content.get("multipart/form-data"):
        fields, required = upload["schema"]["properties"], upload["schema"].get("required", ())
        request["form"] = {name: _field(each, schemas) for name, each in fields.items() if name in required}
    return {key: value for key, value in request.items() if value}


def _field(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    file = schema.get("items", schema)
    return "@FILE" if file.get("format") == "binary" else str(make_example(schema, schemas))
