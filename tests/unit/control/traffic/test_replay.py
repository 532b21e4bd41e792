"""What Replay sends."""

import time

import pytest

from control.config.errors import ReplayError
from control.traffic.replay import is_masked, remove_masked, request_body
from tests.support.records import exchange


@pytest.mark.parametrize(
    ("path", "target", "left_out"),
    [
        ("/invoke/a", "/invoke/a", []),
        ("/invoke/a?b=1&c", "/invoke/a?b=1&c", []),
        ("/invoke/a?token=***&b=1", "/invoke/a?b=1", ["token"]),
        ("/invoke/a?token=***", "/invoke/a", ["token"]),
        ("/invoke/a%2Fb?q=%20", "/invoke/a%2Fb?q=%20", []),
    ],
)
def test_a_masked_parameter_is_left_out(path: str, target: str, left_out: list[str]) -> None:
    assert remove_masked(path) == (target, left_out)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, True),
        ("https://x/y?***", True),
        ("/y?b=1&token=***", True),
        ("/y?token=***&b=1", True),
        ("/y#token=***", True),
        ("</y?token=***>; rel=next", True),
        ("", False),
        ("https://x/y?b=1", False),
        ("*/*;q=***", False),
        ("are *** stars?", False),
    ],
)
def test_a_header_is_masked_when_a_part_of_it_is(value: str | None, expected: bool) -> None:
    assert is_masked(value) is expected


def test_a_body_is_sent_as_it_came_also_one_that_is_no_text() -> None:
    assert request_body(exchange()) == b"{}"
    binary = {"headers": [], "body": {"size": 2, "cut": False, "base64": "AP8="}}
    assert request_body(exchange(request=binary)) == b"\x00\xff"


def test_a_body_that_was_cut_is_not_sent() -> None:
    cut = {"headers": [], "body": {"size": 5_000_000, "cut": True, "text": "x"}}
    with pytest.raises(ReplayError, match="5,000,000 bytes only the beginning"):
        request_body(exchange(request=cut))


@pytest.mark.parametrize(
    "text", ["?" + "a" * 100_000, "?a" * 50_000, "?a=***b" * 15_000, "?***" * 25_000, "?" + "a=***&" * 25_000]
)
def test_a_value_of_any_length_is_searched_for_masks_in_no_time(text: str) -> None:
    began = time.monotonic()
    is_masked(text)
    remove_masked(text)
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute
