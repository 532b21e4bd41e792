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


def test_a_json_body_is_answered_with_json_and_the_status_of_its_response_info(stack: Stack) -> None:
    answer = stack.invoke("sum", "POST", auth=API_USER, json={"numbers": [3, 4, 5]})

    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")
    assert as_json(answer) == {"sum": 12, "count": 3}


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
        "/hello/Ada?lang=fr": "Bonjour, Ada!\n",
        "/sum": '{"sum": 12, "count": 3}\n',
    }


def test_its_cells_run_from_top_to_bottom_in_jupyter(tmp_path: Path) -> None:
    outputs = run_in_jupyter(PROJECT, tmp_path)

    assert [output["text"] for output in outputs][:3] == [
        '{"hello": "world"}\n',
        "Bonjour, Ada!\n",
        '{"sum": 12, "count": 3}\n',
    ]
