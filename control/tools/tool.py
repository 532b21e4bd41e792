"""A function of the API as a tool: its name, its description, and what it takes and returns as JSON Schemas."""

from typing import Any

import mcp_types as types

from control.tools.operation import FORMS, Body, Operation
from control.tools.schema import BINARY, Schema, describe_file

BODY = "body"  # the argument that is the whole body
# As https://www.rfc-editor.org/rfc/rfc9110#section-9.2 defines the methods.
HINTS = {
    "GET": types.ToolAnnotations(read_only_hint=True),
    "PUT": types.ToolAnnotations(idempotent_hint=True),
    "DELETE": types.ToolAnnotations(idempotent_hint=True),
}


def to_tool(operation: Operation) -> types.Tool:
    output = operation.output
    return types.Tool(
        name=operation.name,
        description=operation.description or None,
        input_schema=operation.schemas.embed(_input(operation)),
        # With `type` at its root, which a reference has not, as earlier versions of the protocol demand.
        output_schema=operation.schemas.embed(operation.schemas.resolve(output)) if output else None,
        annotations=HINTS.get(operation.method),
    )


def _input(operation: Operation) -> Schema:
    """One object whose properties are the parameters and the fields of the body."""
    properties = {each["name"]: _parameter(each) for each in operation.parameters}
    required = [each["name"] for each in operation.parameters if each.get("required")]
    extra: Schema = {}
    if body := operation.body:
        fields, needed, extra = _body(body, operation)
        properties |= fields
        required += [name for name in needed if body.is_required]
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), **extra}


def _parameter(parameter: dict[str, Any]) -> Schema:
    """Its schema, with its description."""
    texts = {name: parameter[name] for name in ("description",) if name in parameter}
    return {**texts, **parameter.get("schema", {})}


def _body(body: Body, operation: Operation) -> tuple[dict[str, Schema], list[str], Schema]:
    """Its properties, which of them are required, and what else its schema says of an object."""
    if body.fields is None:
        return {BODY: {**body.schema, **BINARY} if body.is_binary else body.schema}, [BODY], {}
    whole = operation.schemas.resolve(body.schema)
    fields = {name: describe_file(each) for name, each in body.fields.items()} if body.media in FORMS else body.fields
    extra = {name: whole[name] for name in ("additionalProperties",) if name in whole}
    return dict(fields), whole.get("required", []), extra
