"""A function as a tool: what an agent is told of it."""

import re
from typing import Any

import jsonschema
import mcp_types as types
import pytest

from control.tools.operation import read_operations
from control.tools.tool import to_tool
from tests.support.openapi_document import document, function, parameter, returns

ITEM = {"$ref": "#/components/schemas/Item"}


def tool(**operation: Any) -> types.Tool:
    [result] = read_operations(document(f=function("f", **operation))).values()
    made = to_tool(result)
    jsonschema.Draft202012Validator.check_schema(made.input_schema)
    return made


def test_its_docstring_describes_it() -> None:
    assert tool(summary="Converts.", description="Into euros.").description == "Converts.\n\nInto euros."
    assert tool(summary="Converts.").description == "Converts."
    assert tool(summary="Converts.", description="Converts.\n\nInto euros.").description == "Converts.\n\nInto euros."
    assert tool().description is None


def test_an_endpoint_that_is_no_function_is_no_tool() -> None:
    cell = {"operationId": "get_x", "responses": {}}

    assert list(read_operations(document(cell=cell, f=function("f")))) == ["f"]


def test_its_parameters_are_properties_of_one_object() -> None:
    made = tool(
        path="/f/{id}",
        method="post",
        parameters=[parameter("id", "path", "integer"), parameter("q", "query", description="A word.")],
        body={"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}, "b": {"type": "string"}}},
    )

    assert made.input_schema == {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "q": {"description": "A word.", "type": "string"},
            "a": {"type": "number"},
            "b": {"type": "string"},
        },
        "required": ["id", "a"],
    }


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    assert tool().input_schema == {"type": "object", "properties": {}}


def test_the_fields_of_a_lone_model_are_the_properties_and_what_they_refer_to_is_in_the_schema() -> None:
    schema = tool(method="post", body=ITEM).input_schema

    assert schema["required"] == ["name"]
    assert schema["properties"]["parts"]["items"] == {"$ref": "#/$defs/Part"}
    assert set(schema["$defs"]) == {"Part", "Item"}  # Part refers to Item
    jsonschema.validate({"name": "x", "parts": [{"size": 1, "of": {"name": "y"}}]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "parts": [{"of": {"name": 5}}]}, schema)


def test_a_body_whose_field_has_the_name_of_a_parameter_is_an_argument_of_its_own() -> None:
    made = tool(path="/f/{name}", method="put", parameters=[parameter("name", "path")], body=ITEM)

    assert made.input_schema["properties"] == {"name": {"type": "string"}, "body": {"$ref": "#/$defs/Item"}}
    assert made.input_schema["required"] == ["name", "body"]


def test_so_is_a_body_that_is_no_object() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}

    assert tool(method="post", body=schema).input_schema["properties"] == {"body": schema}


def test_the_fields_of_a_model_that_may_be_left_out_are_properties_too() -> None:
    schema = {"anyOf": [ITEM, {"type": "null"}], "default": None}

    made = tool(method="post", requestBody={"content": {"application/json": {"schema": schema}}})

    assert set(made.input_schema["properties"]) == {"name", "parts"}
    assert "required" not in made.input_schema


def test_any_further_fields_may_be_given_where_the_function_takes_them() -> None:
    fields = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True}

    assert tool(method="post", body=fields).input_schema["additionalProperties"] is True


def test_a_body_that_may_be_left_out_requires_nothing() -> None:
    fields = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    body = {"content": {"application/json": {"schema": fields}}}

    assert "required" not in tool(method="post", requestBody=body).input_schema


def test_a_file_is_text_in_base64() -> None:
    fields = {
        "type": "object",
        "properties": {
            "photo": {"type": "string", "format": "binary", "title": "Photo"},
            "more": {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}},
            "label": {"type": "string"},
        },
    }
    body = {"required": True, "content": {"multipart/form-data": {"schema": fields}}}

    properties = tool(method="post", requestBody=body).input_schema["properties"]

    base64 = {"type": "string", "contentEncoding": "base64"}
    assert properties["photo"] == {"title": "Photo", **base64}
    assert properties["more"] == {"type": "array", "items": base64}
    assert properties["label"] == {"type": "string"}


def test_it_promises_an_object_if_the_function_returns_one_and_nothing_otherwise() -> None:
    output = tool(responses=returns(ITEM)).output_schema

    assert output is not None
    assert output["type"] == "object"
    assert output["properties"]["parts"]["items"] == {"$ref": "#/$defs/Part"}
    assert tool(responses=returns({"type": "array", "items": ITEM})).output_schema is None
    assert tool(responses=returns({"anyOf": [ITEM, {"type": "null"}]})).output_schema is None
    assert tool().output_schema is None


def test_a_get_only_reads() -> None:
    reading, deleting, posting = (tool(method=method).annotations for method in ("get", "delete", "post"))

    assert reading is not None
    assert reading.read_only_hint
    assert deleting is not None
    assert (deleting.read_only_hint, deleting.idempotent_hint) == (None, True)
    assert posting is None


def test_its_name_is_one_that_models_accept() -> None:
    functions = ["add", "_add", "größe", "grosse", "größer", "ΣΣ", "数", "n" * 100, "n" * 101]
    made = list(read_operations(document(**{f"f{n}": function(name) for n, name in enumerate(functions)})))
    assert made[:3] == ["add", "_add", "groe"]
    assert made[5:7] == ["function", "function_2"]
    assert len(set(made)) == len(functions)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", name) for name in made)
