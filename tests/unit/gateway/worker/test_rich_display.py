"""The richest form of an object."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.display import HTML, JSON, SVG, Image, Markdown

from gateway.worker import rich_display

PNG = b"\x89PNG\r\n\x1a\n"
SVG_TEXT = '<svg xmlns="http://www.w3.org/2000/svg"/>'


class Figure:
    """Has what both a matplotlib figure, as bytes, and a table have."""

    def _repr_png_(self) -> bytes:
        return PNG

    def _repr_html_(self) -> str:
        return "<b>é</b>"


class Chart:
    def _repr_mimebundle_(self, include: Any, exclude: Any) -> dict[str, Any]:
        return {"application/vnd.vega+json": {"mark": "bar"}, "text/plain": "Chart"}


@pytest.fixture(scope="module")
def shell() -> Any:
    create: Any = DisplayFormatter
    return SimpleNamespace(display_formatter=create())


@pytest.mark.parametrize(
    ("value", "content_type", "body"),
    [
        (Figure(), "image/png", PNG),
        (Image(PNG, format="png"), "image/png", PNG),
        (Image(b"\xff\xd8\xff", format="jpeg"), "image/jpeg", b"\xff\xd8\xff"),
        (SVG(SVG_TEXT), "image/svg+xml", SVG_TEXT.encode()),
        (HTML("<b>é</b>"), "text/html; charset=utf-8", "<b>é</b>".encode()),
        (JSON({"a": [1]}), "application/json", b'{"a": [1]}'),
        (Markdown("**a**"), "text/markdown; charset=utf-8", b"**a**"),
        (Chart(), "application/vnd.vega+json", b'{"mark": "bar"}'),
    ],
)
def test_an_object_is_sent_in_its_richest_form(shell: Any, value: Any, content_type: str, body: bytes) -> None:
    response = rich_display.to_response(shell, value)
    assert response is not None
    assert (response.status, response.headers, response.body) == (200, [("Content-Type", content_type)], body)


@pytest.mark.parametrize("value", ["text", 1, {"a": 1}, None, object()])
def test_an_object_with_a_text_only_has_no_such_form(shell: Any, value: Any) -> None:
    assert rich_display.to_response(shell, value) is None


def test_binary_data_may_be_base64_as_in_a_message_of_the_protocol() -> None:
    response = rich_display.from_bundle({"image/png": base64.b64encode(PNG).decode(), "text/plain": "x"})
    assert response is not None
    assert response.body == PNG
