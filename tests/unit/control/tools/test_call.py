"""A call of a tool as an HTTP request."""

import base64
import email
from typing import Any

import pytest

from control.tools.api import Call
from control.tools.call import ArgumentError, to_call
from control.tools.operation import read_operations
from tests.support.openapi_document import document, function, parameter

FIELDS = {"type": "object", "properties": {"a": {"type": "number"}}}


def call(arguments: dict[str, Any], **operation: Any) -> Call:
    [result] = read_operations(document(f=function("f", **operation))).values()
    return to_call(result, arguments, {"X-Request-Id": "1"})


def test_a_get_has_its_arguments_in_its_address() -> None:
    parameters = [parameter("id", "path"), parameter("q", "query"), parameter("tags", "query", "array")]

    made = call({"id": "a/b ..", "q": "x&y ä", "tags": ["one", 2]}, path="/f/{id}/more", parameters=parameters)

    assert made == Call("GET", "/invoke/f/a%2Fb%20../more?q=x%26y+%C3%A4&tags=one&tags=2", {"X-Request-Id": "1"}, b"")


@pytest.mark.parametrize(
    ("value", "query"), [(True, "?q=true"), (1.5, "?q=1.5"), (None, ""), ([], ""), ("", "?q="), ({"a": 1}, None)]
)
def test_values_are_text_as_the_api_reads_it(value: Any, query: str | None) -> None:
    target = call({"q": value}, parameters=[parameter("q", "query")]).target

    assert target == f"/invoke/f{'?q=%7B%22a%22%3A+1%7D' if query is None else query}"


def test_a_post_has_the_rest_of_its_arguments_as_json() -> None:
    made = call(
        {"id": 5, "a": 1.5, "other": "ä"},
        path="/f/{id}",
        method="post",
        body=FIELDS,
        parameters=[parameter("id", "path")],
    )

    assert (made.method, made.target, made.body) == ("POST", "/invoke/f/5", b'{"a": 1.5, "other": "\\u00e4"}')
    assert made.headers == {"X-Request-Id": "1", "Content-Type": "application/json"}


def test_a_body_that_is_no_object_is_sent_as_it_is() -> None:
    assert call({"body": [1, 2]}, method="post", body={"type": "array"}).body == b"[1, 2]"


def test_a_body_that_may_be_left_out_is_left_out() -> None:
    made = call({}, method="post", requestBody={"content": {"application/json": {"schema": FIELDS}}})

    assert (made.body, "Content-Type" in made.headers) == (b"", False)


@pytest.mark.parametrize("media", ["application/octet-stream", "*/*"])
def test_bytes_are_given_in_base64_and_sent_as_they_are(media: str) -> None:
    body = {"required": True, "content": {media: {"schema": {}}}}

    made = call({"body": base64.b64encode(b"\x00\xff").decode()}, method="post", requestBody=body)

    assert (made.headers["Content-Type"], made.body) == ("application/octet-stream", b"\x00\xff")


def test_files_are_sent_as_a_form() -> None:
    photo = {"type": "string", "format": "binary"}
    properties = {"photo": photo, "more": {"type": "array", "items": photo}, "label": {"type": "string"}}
    schema = {"type": "object", "properties": properties}
    body = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    first, second = (base64.b64encode(data).decode() for data in (b"\x00one", b"two"))

    made = call({"photo": first, "more": [first, second], "label": "ä"}, method="post", requestBody=body)

    form = email.message_from_bytes(f"Content-Type: {made.headers['Content-Type']}\n\n".encode() + made.body)
    parts = form.get_payload()
    assert isinstance(parts, list)
    contents = [(part.get_param("name", header="Content-Disposition"), part.get_payload(decode=True)) for part in parts]
    assert contents == [("photo", b"\x00one"), ("more", b"\x00one"), ("more", b"two"), ("label", "ä".encode())]
    assert [part.get_filename() for part in parts] == ["photo", "more", "more", None]


@pytest.mark.parametrize("value", ["not base64!", 5, None])
def test_a_file_that_is_not_in_base64_is_an_error_that_names_it(value: Any) -> None:
    body = {"required": True, "content": {"image/png": {"schema": {}}}}

    with pytest.raises(ArgumentError, match=r"^body: .* base64\.$"):
        call({"body": value}, method="post", requestBody=body)


@pytest.mark.parametrize("arguments", [{}, {"id": ""}, {"id": None}])
def test_a_path_needs_its_parameter(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=r"^id: A value is required"):
        call(arguments, path="/f/{id}", parameters=[parameter("id", "path")])


def test_an_argument_that_has_no_place_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ArgumentError, match=r"^amout: There is no such argument. The arguments are: amount\.$"):
        call({"amout": 5}, parameters=[parameter("amount", "query")])
    with pytest.raises(ArgumentError, match=r"^body: There is no such argument. The arguments are: none\.$"):
        call({"body": 5})
    with pytest.raises(ArgumentError, match=r"^name: There is no such argument. The arguments are: id, body\.$"):
        call({"name": "x"}, method="put", parameters=[parameter("id", "query")], body={"type": "array"})
