"""Which cells are endpoints, and what is said of those that only look like one."""

import time

import pytest

from gateway.notebook.annotations import normalize, parse, read


@pytest.mark.parametrize(
    ("source", "method", "path"),
    [
        ("# GET /hello", "GET", "/hello"),
        ("# POST /a/:b/c\nprint(1)", "POST", "/a/:b/c"),
        ("# PATCH /x", "PATCH", "/x"),
        ("#GET /x", "GET", "/x"),
        ("\n\n  \n# GET /x", "GET", "/x"),
        ("# get /x", "GET", "/x"),
        ("## Put   /x  ", "PUT", "/x"),
        ("# GET /x lists all of them", "GET", "/x"),
        ("\ufeff# DELETE /", "DELETE", "/"),
        ("# GET /items/{id}/parts/{part_id}", "GET", "/items/:id/parts/:part_id"),
        ("# GET /users/<id>", "GET", "/users/:id"),
        ("# GET" + " " * 100_000 + "/x", "GET", "/x"),
    ],
)
def test_an_annotation_whose_intention_is_beyond_doubt_is_one(source: str, method: str, path: str) -> None:
    annotation = read(source)
    assert annotation is not None
    assert (annotation.keys, annotation.is_response_info) == (((method, path),), False)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "   \n\n",
        "print(1)",
        "# delete /tmp/cache first",
        "# GET hello",
        "# FETCH /x",
        "x = 1\n# GET /x",
        "%%time\n# GET /x",
        "'# GET /x'",
    ],
)
def test_anything_else_is_an_ordinary_cell(source: str) -> None:
    assert read(source) is None


def test_the_line_below_can_set_a_limit_of_its_own() -> None:
    lines = (
        "# timeout: 5",
        "#timeout 0.5 s",
        "# Timeout=90",
        "x = 5",
        "# timeout: 2 min",
        "# timeout 500ms",
        "# timeout: 1h",
    )
    limits = [read(f"# GET /x\n{line}") for line in lines]
    assert [annotation and annotation.limit_s for annotation in limits] == [5.0, 0.5, 90.0, None, 120.0, 0.5, 3600.0]


def test_one_cell_may_belong_to_several_methods() -> None:
    api = parse(["# GET, POST /both\nx", "# ResponseInfo GET, POST /both", "# get|put /either", "# GET,GET /once"])
    endpoints = [(e.method, e.path, len(e.cells), len(e.response_cells)) for e in api.endpoints]
    assert endpoints == [
        ("GET", "/both", 1, 1),
        ("POST", "/both", 1, 1),
        ("GET", "/either", 1, 0),
        ("PUT", "/either", 1, 0),
        ("GET", "/once", 1, 0),
    ]
    assert not api.problems


def test_cells_of_one_method_and_path_are_one_endpoint_with_their_response_info() -> None:
    api = parse(["x = 0", "# GET /m\nx = 1", "# ResponseInfo GET /m\nprint()", "# GET /m\nprint(x)", "# PUT /m"])
    assert [(e.method, e.path, len(e.cells), len(e.response_cells)) for e in api.endpoints] == [
        ("GET", "/m", 2, 1),
        ("PUT", "/m", 1, 0),
    ]
    assert [cell.number for cell in api.endpoints[0].cells] == [2, 4]
    assert not api.problems


@pytest.mark.parametrize(
    ("source", "line", "part"),
    [
        ("x = 1\n# GET /x\nprint(x)", 2, "first line"),
        ("%%time\n# GET /x", 2, "first line"),
        ("# GET hello", 1, "# GET /path"),
        ("# FETCH /x", 1, "# GET /path"),
        ("# GET POST /x", 1, "# GET, POST /path"),
        ("# GET and POST /x", 1, "# GET, POST /path"),
        ("# GET, HEAD /x", 1, "# GET, POST /path"),
        ("# GET" + " " * 100_000 + "hello", 1, "# GET /path"),
        ("# ResponseInfo GET /elsewhere\nprint()", 1, "no endpoint GET /elsewhere"),
        ("\n\n# ResponseInfo GET /elsewhere\nprint()", 3, "no endpoint GET /elsewhere"),
        ("\n# GET /search?q=x", 2, "answers /search with any query"),
        ("# GET /users/<int:id>", 1, "a whole segment"),
        ("# GET /files/{name}.json", 1, "a whole segment"),
        ("# GET /all/*", 1, "a whole segment"),
        ("# GET /users/:id?", 1, "a whole segment"),
        ("# GET /users/:id(\\d+)", 1, "a whole segment"),
        ("# GET /x\n# timeout: 5m", 2, "sets no limit"),
        ("# GET /x\n# timeout: 0", 2, "sets no limit"),
        ("# GET /x\n# timeout: never", 2, "sets no limit"),
        ("# GET /x\nx = 1\n# timeout: 5", 3, "on the line below the annotation"),
    ],
)
def test_what_only_looks_like_an_annotation_is_reported_with_its_place(source: str, line: int, part: str) -> None:
    (problem,) = parse(["# GET /ok", source]).problems
    assert (problem.cell, problem.line) == (2, line)
    assert part in problem.message


def test_remarks_and_ordinary_code_are_not_reported() -> None:
    cells = [
        "# get the data first",
        "# delete /tmp/cache first",
        "# Options: none",
        "import os  # GET /x",
        "# POST the data to /x",
        "# GET /a/:b-c/~d\n# timeouts are likely here\nx = 1\n# timeout: see below",
        "# GET " + "GET " * 100_000,
    ]
    assert not parse(["# GET /ok", *cells]).problems


def test_the_swagger_document_is_made_from_annotations_as_stock_writes_them() -> None:
    assert normalize(["x = 1", "\n#get /x\nprint()"]) == ["# GET /x\n\n#get /x\nprint()"]


LONG = 100_000


@pytest.mark.parametrize(
    "source",
    [
        "# GET" + " " * LONG + "x y",
        "# GET" + " " * LONG + ": x y",
        "# GET:" + " " * LONG + "x y",
        "# GET " + "x" * LONG + " " * LONG + "y",
        "# GET /" + "x" * LONG + " " * LONG + "y",
        "#" * LONG + " " * LONG,
        "#" + " " * LONG + "ResponseInfo" + " " * LONG + "GET",
        "# get /" + "x" * LONG + " " * LONG + "y",
        "# GET /x\n# timeout" + " " * LONG + "x",
        "# GET /x\n# timeout: 5" + " " * LONG + "x",
        "# GET /x\n# timeout: " + "5" * LONG + "x",
        "# GET /x\n# timeout: 5." + "5" * LONG + "x",
        "x\n# GET /" + "x" * LONG + " " * LONG + "y",
    ],
)
def test_a_line_of_any_length_is_read_in_no_time(source: str) -> None:
    began = time.monotonic()
    parse(["# GET /ok", source])
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute
