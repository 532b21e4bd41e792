"""Examples that are made from JSON Schemas, as the form on the homepage shows them."""

from typing import Any

import pytest

from gateway.notebook.schema_examples import make_example, make_request

SCHEMAS: dict[str, Any] = {
    "Item": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "note": {"default": ""}},
        "required": ["name"],
    },
    "Tree": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}},
}


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "integer"}, 1),
        ({"type": "number", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "multipleOf": 5}, 5),
        ({"type": "integer", "multipleOf": 5, "minimum": 12}, 15),
        ({"type": "integer", "multipleOf": 5, "exclusiveMinimum": 5}, 10),
        ({"type": "boolean"}, False),
        ({"type": "string"}, "text"),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "default": "EUR"}, "EUR"),
        ({"type": "string", "examples": ["a", "b"], "default": "c"}, "a"),
        ({"enum": ["EUR", "GBP"], "type": "string"}, "EUR"),
        ({"const": "cat"}, "cat"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 0}, [1]),
        ({"type": "array"}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [1, "text"]),
        ({"$ref": "#/components/schemas/Item"}, {"name": "text"}),
        ({"$ref": "#/components/schemas/Missing"}, None),
        ({}, None),
        (True, None),
    ],
)
def test_an_example_fits_its_schema(schema: Any, example: Any) -> None:
    assert make_example(schema, SCHEMAS) == example


def test_a_schema_that_contains_itself_ends() -> None:
    assert str(make_example({"$ref": "#/components/schemas/Tree"}, SCHEMAS)).count("child") < 10


def test_a_list_of_itself_ends_with_an_empty_list() -> None:
    schemas = {"Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/x/Tree"}}}}}
    assert "None" not in str(make_example({"$ref": "#/x/Tree"}, schemas))


def test_a_request_has_what_the_function_needs() -> None:
    function = {
        "path": {"id": {"type": "integer"}},
        "query": [
            {"name": "q", "required": True, "schema": {"type": "string"}},
            {"name": "limit", "required": False, "schema": {"default": 10}},
        ],
        "body": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}},
    }
    assert make_request(function, SCHEMAS) == {"path": {"id": 1}, "args": {"q": "text"}, "body": {"name": "text"}}
    assert make_request({"path": {}, "query": [], "body": None}, SCHEMAS) == {}


def test_an_upload_is_a_form_with_a_file() -> None:
    binary = {"type": "string", "format": "binary"}
    properties = {"file": binary, "more": {"type": "array", "items": binary}, "name": {"type": "string"}, "note": {}}
    schema = {"type": "object", "properties": properties, "required": ["file", "more", "name"]}
    function = {
        "path": {},
        "query": [],
        "body": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
    }
    assert make_request(function, {}) == {"form": {"file": "@FILE", "more": "@FILE", "name": "text"}}
