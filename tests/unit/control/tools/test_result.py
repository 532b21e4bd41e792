"""A response of the API as a tool's result."""

from typing import Any

import httpx2
import mcp_types as types
import pytest

from control.tools.api import Answer
from control.tools.operation import read_operations
from control.tools.result import to_result
from tests.support.openapi_document import document, function, returns


def result(body: bytes, media: str = "", status: int = 200, **operation: Any) -> types.CallToolResult:
    headers = httpx2.Headers({"Content-Type": media} if media else {})
    [function_] = read_operations(document(f=function("f", **operation))).values()
    return to_result(Answer(status, headers, body), function_)


def text(made: types.CallToolResult) -> str:
    [content] = made.content
    assert isinstance(content, types.TextContent)
    return content.text


def test_an_object_is_text_and_structured() -> None:
    made = result(b'{"a": 1}', "application/json")

    assert (text(made), made.structured_content, made.is_error) == ('{"a": 1}', {"a": 1}, False)


def test_other_json_is_text() -> None:
    made = result(b"[1]", "application/json")

    assert (text(made), made.structured_content) == ("[1]", None)


@pytest.mark.parametrize(
    ("body", "media"),
    [
        ("ä".encode(), "text/plain; charset=utf-8"),
        ("ä".encode(), "text/plain"),
        ("ä".encode("latin-1"), 'text/plain; charset="latin-1"'),
        ("ä".encode(), "text/plain; charset=nonsense"),
        ("ä".encode(), "image/svg+xml"),
    ],
)
def test_text_is_text_in_its_charset(body: bytes, media: str) -> None:
    assert text(result(body, media)) == "ä"


def test_nothing_is_an_empty_text() -> None:
    assert text(result(b"", status=204)) == ""


def test_an_image_is_an_image() -> None:
    [content] = result(b"\x89PNG", "image/png").content

    assert content == types.ImageContent(data="iVBORw==", mime_type="image/png")


def test_other_bytes_are_a_resource() -> None:
    [content] = result(b"\x00", "application/zip").content

    assert isinstance(content, types.EmbeddedResource)
    assert content.resource == types.BlobResourceContents(uri="tool:f", mime_type="application/zip", blob="AA==")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "no such row", "extensions": {}}', "no such row"),
        (b"plain words", "plain words"),
        (b"", "The API responded with status 404."),
    ],
)
def test_an_error_reaches_the_agent_with_its_message(body: bytes, message: str) -> None:
    made = result(body, "application/json", 404)

    assert (text(made), made.is_error) == (message, True)


def test_a_redirect_says_where_to() -> None:
    headers = httpx2.Headers({"Location": "/elsewhere"})
    [function_] = read_operations(document(f=function("f"))).values()

    assert text(to_result(Answer(302, headers, b""), function_)) == "Status 302. /elsewhere"


def test_a_function_that_does_not_return_the_object_it_promised_is_told_of() -> None:
    made = result(b"words", "text/plain", responses=returns({"type": "object"}))

    assert made.is_error
    assert "no JSON object, as its annotation says, but text/plain" in text(made)
