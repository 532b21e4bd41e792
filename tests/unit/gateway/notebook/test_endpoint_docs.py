"""What a notebook says of its endpoints: which Markdown and which REQUEST cell belong to which."""

import json
import time

import nbformat
import pytest

from gateway.arbiter.personality import endpoint_keys
from gateway.notebook.endpoint_docs import EndpointDoc, read
from tests.support.notebooks import Markdown, notebook

GET = "# GET /x\nprint(1)"
REQUEST = 'REQUEST = json.dumps({"path": {"a": "1"}})'


def notes(*cells: str) -> tuple[str, dict[tuple[str, str], EndpointDoc]]:
    return read(nbformat.reads(json.dumps(notebook(list(cells))), as_version=4).cells, endpoint_keys)


def note(*cells: str) -> EndpointDoc:
    return notes(*cells)[1].get(("GET", "/x"), EndpointDoc())


def test_the_markdown_cell_above_an_endpoint_is_its_text() -> None:
    assert note("x = 1", Markdown("## All of it\n\nEach *one*."), GET).text == "## All of it\n\nEach *one*."


@pytest.mark.parametrize("cells", [(Markdown("Text"), REQUEST), (REQUEST, Markdown("Text"))])
def test_an_example_may_stand_between_and_above(cells: tuple[str, ...]) -> None:
    assert note("x = 1", *cells, GET) == EndpointDoc("Text", {"path": {"a": "1"}})


def test_the_nearest_text_counts_and_one_further_up_is_no_part_of_it() -> None:
    assert note("x = 1", Markdown("A chapter"), Markdown("An endpoint"), GET).text == "An endpoint"


@pytest.mark.parametrize("between", ["x = 1", "# GET /y\nprint(2)", "# ResponseInfo GET /y\nprint(2)"])
def test_what_stands_above_another_cell_does_not_belong_to_the_endpoint(between: str) -> None:
    assert note(Markdown("Of the other"), REQUEST, between, GET) == EndpointDoc()


def test_a_response_info_cell_has_no_text_of_its_own() -> None:
    result = notes(GET, Markdown("How it answers"), "# ResponseInfo GET /x\nprint('{}')")[1]
    assert result == {}


def test_of_an_endpoint_of_several_cells_the_first_text_counts() -> None:
    assert note(GET, Markdown("First"), GET, Markdown("Second"), GET).text == "First"


def test_an_example_that_is_computed_is_ignored_and_the_text_above_it_is_not() -> None:
    assert note(Markdown("Text"), "REQUEST = json.dumps(make())", GET) == EndpointDoc("Text")


@pytest.mark.parametrize("value", ["'[1]'", "'1'", "'null'"])
def test_an_example_that_is_no_object_is_ignored(value: str) -> None:
    assert note(f"REQUEST = {value}", GET) == EndpointDoc()


def test_the_text_that_a_notebook_begins_with_is_about_the_whole() -> None:
    assert notes(Markdown("# Shop\n\nPrices."), "x = 1", Markdown("One"), GET)[0] == "# Shop\n\nPrices."
    assert notes(Markdown("# Shop"), Markdown("One"), GET)[0] == "# Shop"


def test_the_text_of_the_first_endpoint_is_not() -> None:
    assert notes(Markdown("One"), GET)[0] == ""
    assert notes(GET)[0] == ""


@pytest.mark.parametrize(
    ("text", "summary", "description"),
    [
        ("## All products\n\nBy name.", "All products", "By name."),
        ("All products\n\nBy name.", "All products", "All products\n\nBy name."),
        ("# Products #", "Products", ""),
        ("#no heading", "#no heading", "#no heading"),
        ("", "", ""),
        ("long " * 100, "long " * 23 + "long…", "long " * 100),
    ],
)
def test_the_first_line_is_the_summary_and_a_heading_is_not_said_twice(
    text: str, summary: str, description: str
) -> None:
    result = EndpointDoc(text)
    assert (result.summary, result.description) == (summary, description)


@pytest.mark.parametrize(
    ("example", "path", "body"),
    [
        ({"path": {"name": "Ada", "id": 7}, "args": {"lang": ["fr"]}}, "/hello/Ada/7?lang=fr", ""),
        ({"path": {"name": "a/b ?"}, "args": {"q": ["x&y", 1]}}, "/hello/a%2Fb%20%3F/:id?q=x%26y&q=1", ""),
        ({"body": {"name": "Zoë"}}, "/hello/:name/:id", '{"name": "Zoë"}'),
        ({"body": "plain"}, "/hello/:name/:id", "plain"),
        ({"path": 5, "args": [], "body": None}, "/hello/:name/:id", ""),
    ],
)
def test_an_example_is_a_request_that_can_be_sent(example: dict[str, object], path: str, body: str) -> None:
    assert EndpointDoc(example=example).request("/hello/:name/:id") == {"path": path, "body": body}


@pytest.mark.parametrize("example", [{}, {"body": "x" * 10_001}])
def test_without_an_example_or_with_a_huge_one_there_is_no_request(example: dict[str, object]) -> None:
    assert EndpointDoc(example=example).request("/x") is None


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# Title #", "Title"),
        ("###  A # b ###  ", "A # b"),
        ("# a#", "a"),
        ("#no heading", "#no heading"),
        ("####### seven", "####### seven"),
        ("# #", ""),
    ],
)
def test_a_summary_has_no_marks_of_a_heading(text: str, summary: str) -> None:
    assert EndpointDoc(text).summary == summary


@pytest.mark.parametrize("text", ["# a" + " " * 100_000 + "b", "# a" + " #" * 50_000 + "b", "#" + " " * 100_000 + "b#"])
def test_a_heading_of_any_length_is_read_in_no_time(text: str) -> None:
    began = time.monotonic()
    assert EndpointDoc(text).description == ""
    assert len(EndpointDoc(text).summary) <= 120
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute
