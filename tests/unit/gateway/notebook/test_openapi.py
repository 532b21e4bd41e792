"""The OpenAPI document of a notebook, by the eyes of a validator and of a reader."""

import json
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from gateway.arbiter.personality import build_openapi, endpoint_keys
from gateway.notebook import annotations, endpoint_docs, openapi
from gateway.notebook.endpoint_docs import EndpointDoc
from gateway.notebook.openapi import Operation
from gateway.notebook.path_template import PathTemplate
from tests.support.notebooks import Markdown, notebook
from tests.support.stack import ROOT


def document_of(content: Any, title: str = "shop") -> Any:
    """The document of a notebook, checked."""
    content = nbformat.reads(content, as_version=4)
    api = annotations.parse(cell.source for cell in content.cells if cell.cell_type == "code")
    text, docs = endpoint_docs.read(content.cells, endpoint_keys)
    document = json.loads(build_openapi(title, text, api.endpoints, docs))
    validate(document, cls=OpenAPIV31SpecValidator)
    return document


def document(*cells: str) -> Any:
    return document_of(json.dumps(notebook(list(cells))))


def operation(*cells: str) -> Any:
    """The only operation of a notebook."""
    (item,) = document(*cells)["paths"].values()
    (result,) = item.values()
    return result


def test_the_shipped_notebook_has_a_valid_document_with_a_summary_for_each_endpoint() -> None:
    result = document_of(Path(ROOT / "notebook/hello_world/server.ipynb").read_text(), "hello_world")
    assert result["info"]["title"] == "hello_world"
    assert result["info"]["description"].startswith("# Hello, world")
    summaries = {
        f"{method} {path}": one["summary"] for path, item in result["paths"].items() for method, one in item.items()
    }
    assert summaries == {
        "get /hello_world": "The shortest endpoint",
        "get /hello/{name}": "A function is an endpoint",
        "post /sum": "A JSON body in, a JSON body out",
    }


def test_it_says_where_the_api_is_how_to_log_in_and_in_what_form_errors_are() -> None:
    result = document("# GET /x\nprint(1)")
    assert result["openapi"].startswith("3.1.")
    assert result["info"]["title"] == "shop"
    assert result["servers"] == [{"url": "/invoke"}]
    assert result["components"]["securitySchemes"] == {"basic": {"type": "http", "scheme": "basic"}}
    assert result["security"] == [{"basic": []}]
    default = result["paths"]["/x"]["get"]["responses"]["default"]
    assert default == {"$ref": "#/components/responses/Error"}
    assert result["components"]["schemas"]["Error"]["required"] == ["message", "extensions"]


def test_at_the_apis_own_address_it_says_that_address_and_nothing_else_differs() -> None:
    text = openapi.build("my shop", "About", [Operation("GET", "/x")], {})
    kind, default, own = openapi.serve(text, "/apis/my%20shop")
    assert (kind, default, own and json.loads(own)) == (
        "application/json",
        text,
        {**json.loads(text), "servers": [{"url": "/apis/my%20shop"}]},
    )
    validate(json.loads(own or ""), cls=OpenAPIV31SpecValidator)


def test_the_version_changes_with_the_document_only() -> None:
    first = document("# GET /x\nprint(1)")["info"]["version"]
    assert document("# GET /x\nprint(2)")["info"]["version"] == first
    assert document("# GET /y\nprint(1)")["info"]["version"] != first


def test_methods_of_one_path_stand_together_in_the_order_of_the_notebook() -> None:
    result = document("# GET /b\n", "# PATCH /a\n", "# DELETE /b/\n", "# PUT /a\n", "# POST /\n")["paths"]
    assert [(path, list(item)) for path, item in result.items()] == [
        ("/b", ["get", "delete"]),
        ("/a", ["patch", "put"]),
        ("/", ["post"]),
    ]


def test_response_info_cells_are_no_endpoints() -> None:
    assert list(document("# GET /x\n", "# ResponseInfo GET /x\nprint('{}')")["paths"]["/x"]) == ["get"]


def test_parameters_of_a_path_are_required_and_carry_the_example() -> None:
    example = 'REQUEST = json.dumps({"path": {"shelf": "oak", "number": 7}})'
    result = operation(example, "# GET /shelves/:shelf/books/:number/:page\n")
    assert [(one["name"], one.get("example")) for one in result["parameters"]] == [
        ("shelf", "oak"),
        ("number", "7"),
        ("page", None),
    ]
    assert all(one["in"] == "path" and one["required"] for one in result["parameters"])


def test_paths_that_differ_in_names_only_are_one_and_each_keeps_its_example() -> None:
    example = 'REQUEST = \'{"path": {"other": "7"}}\''
    result = document("# GET /a/:one\n", example, "# POST /a/:other\n")["paths"]
    assert list(result) == ["/a/{one}"]
    assert result["/a/{one}"]["post"]["parameters"][0]["example"] == "7"


def test_of_two_endpoints_that_a_router_cannot_tell_apart_the_first_is_there() -> None:
    result = document(Markdown("First"), "# GET /a/:one\n", Markdown("Second"), "# GET /a/:two\n")["paths"]
    assert result["/a/{one}"]["get"]["summary"] == "First"


def test_the_query_of_the_example_is_the_known_query() -> None:
    example = 'REQUEST = json.dumps({"args": {"lang": ["fr"], "tag": ["a", "b"], "plain": "x", "none": []}})'
    result = {one["name"]: one for one in operation(example, "# GET /x\n")["parameters"]}
    assert {name: one["example"] for name, one in result.items()} == {
        "lang": "fr",
        "tag": ["a", "b"],
        "plain": "x",
        "none": [],
    }
    assert result["lang"]["schema"]["type"] == "string"
    assert result["tag"]["schema"]["type"] == "array"
    assert not any(one.get("required") for one in result.values())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_is_any_json_with_the_example(method: str) -> None:
    result = operation('REQUEST = json.dumps({"body": {"n": [1]}})', f"# {method} /x\n")
    assert result["requestBody"] == {"content": {"application/json": {"schema": {}, "example": {"n": [1]}}}}


@pytest.mark.parametrize("body", ["0", "false", "[]", "{}"])
def test_a_body_that_python_holds_for_nothing_is_an_example_too(body: str) -> None:
    result = operation(f"REQUEST = '{{\"body\": {body}}}'", "# POST /x\n")
    assert result["requestBody"]["content"]["application/json"]["example"] == json.loads(body)


def test_without_an_example_a_body_is_any_json() -> None:
    assert operation("# POST /x\n")["requestBody"] == {"content": {"application/json": {"schema": {}}}}


def test_an_example_that_is_text_makes_the_body_text() -> None:
    result = operation('REQUEST = json.dumps({"body": "a line"})', "# POST /x\n")
    assert result["requestBody"]["content"] == {"text/plain": {"schema": {"type": "string"}, "example": "a line"}}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_other_methods_have_no_body(method: str) -> None:
    assert "requestBody" not in operation('REQUEST = json.dumps({"body": {"n": 1}})', f"# {method} /x\n")


def test_an_example_with_parts_of_a_wrong_type_is_ignored_in_these() -> None:
    result = operation('REQUEST = \'{"path": [1], "args": "x", "body": {"a": 1}}\'', "# POST /x/:a\n")
    assert result["parameters"] == [
        {"name": "a", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    ]
    assert result["requestBody"]["content"]["application/json"]["example"] == {"a": 1}


@pytest.mark.parametrize(
    ("info", "responses"),
    [
        ("", {"200": None}),
        (
            'print(json.dumps({"status": 201, "headers": {"content-type": "text/csv; charset=utf-8"}}))',
            {"201": "text/csv"},
        ),
        ('print(json.dumps({"headers": {"Content-Type": "application/json"}}))', {"200": "application/json"}),
        ('print(json.dumps({"status": computed}))', {"2XX": None}),
        ('print("[]")', {"2XX": None}),
        ('print(json.dumps({"status": "201", "headers": {"Content-Type": ["a/b"]}}))', {"2XX": None}),
    ],
)
def test_the_response_is_known_as_far_as_its_cell_writes_it_out(info: str, responses: dict[str, str | None]) -> None:
    cells = ["# GET /x\nprint(1)", *([f"# ResponseInfo GET /x\n{info}"] if info else [])]
    result = operation(*cells)["responses"]
    del result["default"]
    assert {status: next(iter(one.get("content", {})), None) for status, one in result.items()} == responses


def test_operation_ids_are_unique_words() -> None:
    result = document("# GET /a-b\n", "# GET /a/b\n", "# GET /a/:b\n", "# GET /\n")["paths"]
    assert [item["get"]["operationId"] for item in result.values()] == ["get_a_b", "get_a_b_2", "get_a_b_3", "get"]


@pytest.mark.parametrize(
    ("path", "template", "names"),
    [
        ("/a/:b/c", "/a/{b}/c", ("b",)),
        ("/a/:x/:x", "/a/{x}/{x_2}", ("x", "x_2")),
        ("/:", "/{parameter}", ("parameter",)),
        ("/:a-b.c", "/{a-b.c}", ("a-b.c",)),
        ("/:{a}", "/{_a_}", ("_a_",)),
        ("/{a}", "/%7Ba%7D", ()),
        ("/a?b=c#d", "/a%3Fb=c%23d", ()),
        ("/caf\u00e9", "/caf%C3%A9", ()),
        ("/caf%C3%A9", "/caf%C3%A9", ()),
        ("/a/", "/a", ()),
        ("/", "/", ()),
    ],
)
def test_a_path_becomes_a_template_that_says_what_to_call(path: str, template: str, names: tuple[str, ...]) -> None:
    result = PathTemplate.of(path)
    assert (result.text, result.names) == (template, names)


METHOD = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])
PATH = st.lists(st.text(max_size=5), max_size=3).map(lambda parts: "/" + "/".join(parts))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
PARTS = st.dictionaries(st.sampled_from(["path", "args", "body", "headers"]), JSON)


@settings(deadline=None)  # a time on a busy machine says nothing of the document
@given(st.lists(st.tuples(METHOD, PATH, st.text(), PARTS), max_size=4), st.text())
def test_whatever_a_notebook_has_in_it_the_document_is_valid(
    cells: list[tuple[str, str, str, dict[str, Any]]], text: str
) -> None:
    operations = [Operation(method, path) for method, path, *_ in cells]
    notes = {(method, path): EndpointDoc(note, example) for method, path, note, example in cells}
    validate(json.loads(openapi.build("any", text, operations, notes)), cls=OpenAPIV31SpecValidator)


def test_a_path_of_any_length_has_a_document_in_no_time() -> None:
    began = time.monotonic()
    for path in ("/:b" * 30_000, "/:" + "{" * 100_000, "/" + "%" * 100_000, "/" * 100_000):
        openapi.build("x", "", [Operation("GET", path)], {})
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute


def test_a_model_may_have_the_name_of_the_schema_of_errors() -> None:
    own = {"type": "object", "properties": {"code": {"type": "integer"}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    function = {"name": "report", "path": {}, "query": [], "body": {"content": content}, "responses": {"200": content}}
    text = openapi.build("shop", "", [Operation("POST", "/x", function=function)], {}, {"Error": own})
    result = json.loads(text)
    validate(result, cls=OpenAPIV31SpecValidator)
    schemas, responses = result["components"]["schemas"], result["components"]["responses"]
    assert schemas["Error"] == own
    used = {each["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] for each in responses.values()}
    assert [schemas[name]["required"] for name in used] == [["message", "extensions"]]
    assert set(result["paths"]["/x"]["post"]["responses"]) == {"200", "422", "default"}
