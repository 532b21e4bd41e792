"""hello_world: what its README says to try, and its cells in Jupyter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from control.traffic.manual_request import ManualRequest
from tests.support.stack import API_USER, Stack, as_json
from tests.support.templates import run_in_jupyter, serving

PROJECT = "hello_world"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with serving(PROJECT) as stack:
        yield stack


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hello_world", '{"hello": "world"}'),
        ("hello/Ada?lang=fr", "Bonjour, Ada!"),
        ("hello/Ada", "Hello, Ada!"),
        ("hello/Ada?lang=xx", "Hello, Ada!"),
    ],
)
def test_it_greets(stack: Stack, path: str, text: str) -> None:
    answer = stack.invoke(path, auth=API_USER)

    assert (answer.status_code, answer.text) == (200, f"{text}\n")


def test_a_json_body_is_answered_with_json_and_a_status(stack: Stack) -> None:
    answer = stack.invoke("sum", "POST", auth=API_USER, json={"numbers": [3, 4, 5]})

    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")
    assert as_json(answer) == {"sum": 12, "count": 3}


def test_a_body_that_does_not_fit_is_told_so(stack: Stack) -> None:
    answer = stack.invoke("sum", "POST", auth=API_USER, json={"numbers": "3"})

    assert answer.status_code == 422
    assert as_json(answer)["message"] == "numbers: Input should be a valid list"


def test_its_document_has_the_types_and_the_docstrings(stack: Stack) -> None:
    paths = as_json(stack.invoke("_api/spec/openapi.json"))["paths"]

    hello, total = paths["/hello/{name}"]["get"], paths["/sum"]["post"]
    assert hello["description"] == "Greets somebody in English, French or Spanish."
    assert [(each["name"], each.get("example")) for each in hello["parameters"]] == [("name", "Ada"), ("lang", None)]
    assert total["requestBody"]["content"]["application/json"]["schema"]["required"] == ["numbers"]
    assert list(total["responses"]) == ["2XX", "422", "default"]


def test_the_first_try_of_each_endpoint_on_the_homepage_succeeds(stack: Stack) -> None:
    requests = [ManualRequest.of(endpoint) for endpoint in as_json(stack.get("/process/endpoints"))["endpoints"]]
    answers = {
        request.path: stack.invoke(
            request.path[1:],
            request.method,
            data=request.body,
            headers={"Content-Type": request.content_type()} if request.body else {},
        ).text
        for request in requests
    }
    assert answers == {
        "/hello_world": '{"hello": "world"}\n',
        "/hello/Ada": "Hello, Ada!\n",
        "/sum": '{"sum":12,"count":3}',
    }


def test_its_cells_run_from_top_to_bottom_in_jupyter(tmp_path: Path) -> None:
    outputs = run_in_jupyter(PROJECT, tmp_path, more="add([3, 4, 5])")

    printed, greeting, total = outputs
    assert printed["text"] == '{"hello": "world"}\n'
    assert greeting["data"]["text/plain"] == r"'Bonjour, Ada!\n'"
    assert total["data"]["text/plain"] == "({'sum': 12, 'count': 3}, 201)"
