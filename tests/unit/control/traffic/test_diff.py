"""How bodies are formatted, and how two responses are compared."""

from typing import Any

import pytest

from control.traffic.diff import Comparison, format_body
from control.traffic.exchange import Body, Exchange, Message
from tests.support.records import exchange


def exchange_of(text: str, **changes: Any) -> Exchange:
    body = {"size": len(text), "cut": False, "text": text}
    return exchange(response={"headers": [["Content-Type", "text/plain"]], "body": body}, **changes)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ('{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'),
        ('{"n":1.5,"big":123456789012345678901234567890}',
         '{\n  "n": 1.5,\n  "big": 123456789012345678901234567890\n}'),
        ('{"n":0.12345678901234567890}', '{"n":0.12345678901234567890}'),
        ("{broken", "{broken"),
        ("plain", "plain"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)  # fmt: skip
def test_json_is_indented_and_everything_else_unchanged(text: str, output: str) -> None:
    assert format_body(Message([], Body(len(text), False, text))) == output


def test_json_that_indentation_would_make_large_is_unchanged() -> None:
    text = "[" * 900 + ",".join(["1"] * 30_000) + "]" * 900
    assert format_body(Message([], Body(len(text), False, text))) == text


def test_binary_bodies_are_not_shown() -> None:
    assert format_body(Message([], Body(1, False, base64="/w=="))) is None


def test_the_same_response_has_no_differences_whatever_its_request_id() -> None:
    before = exchange_of('{"request_id": "r1"}', request_id="r1")
    assert Comparison(before, exchange_of('{"request_id": "r2"}', request_id="r2")).differences == []


def test_differences_are_named_and_their_lines_marked() -> None:
    comparison = Comparison(exchange_of('{"a": 1, "b": 2}'), exchange_of('{"a": 1, "b": 3, "c": 4}', status=201))
    assert comparison.differences == ["status", "body"]
    old, new = comparison.rows
    assert [kind for kind, _ in old] == ["same", "same", "changed", "gap", "same"]
    assert [line for kind, line in new if kind == "changed"] == ['  "b": 3,', '  "c": 4']


def test_headers_that_differ_are_named_except_volatile_ones() -> None:
    before, after = exchange(), exchange()
    after.response.headers[:] = [("content-type", "text/plain"), ("Content-Length", "2"), ("X-New", "1")]
    changes = Comparison(before, after).changed_headers
    assert changes == [("content-type", "application/json", "text/plain"), ("x-new", None, "1")]


def test_bodies_of_many_lines_are_not_compared_line_by_line() -> None:
    many = "\n".join(str(number % 7) for number in range(50_000))
    comparison = Comparison(exchange_of(many), exchange_of(many + "\nmore"))
    assert comparison.differences == ["body"]
    assert comparison.rows == ([], [])
