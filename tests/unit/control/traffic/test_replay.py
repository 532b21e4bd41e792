"""What Replay sends."""

import http.client
import time
from pathlib import Path
from typing import Any

import pytest

from control.config.errors import ReplayError
from control.config.run_dir import RunDir, point_link
from control.deployment import unix_http
from control.traffic import replay as replay_module
from control.traffic.history import History
from control.traffic.replay import is_masked, remove_masked, replay, request_body
from tests.support.records import exchange


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Two projects are served, `shop` in its green slot; the other one is the default."""
    run = RunDir(tmp_path)
    run.api_links.mkdir()
    for project, slot in (("shop", "green"), ("b/deep", "blue")):
        api = run.api(project)
        api.slot(slot).mkdir(parents=True)
        point_link(api.link, api.slot(slot))
    point_link(run.default_link, run.api_link("b/deep"))
    return run


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str, str]]:
    """The socket, method and target of each request; the API breaks off each that says so."""
    calls = []

    def send(socket: Path, method: str, target: str, *_: Any, **__: Any) -> unix_http.Response:
        calls.append((socket, method, target))
        if target.endswith("/breaks-off"):
            raise ConnectionResetError
        return unix_http.Response(200, "OK", http.client.HTTPMessage(), b"", 0, 0.1)

    monkeypatch.setattr(unix_http, "send", send)
    monkeypatch.setattr(replay_module, "RECORD_TIMEOUT", 0)
    return calls


@pytest.mark.parametrize("target", ["/invoke/a?b=1", "/apis/shop/a%2Fb", "/apis/%73hop/a"])
def test_a_request_is_sent_to_its_project_at_the_address_it_had(
    run: RunDir, sent: list[tuple[Path, str, str]], target: str
) -> None:
    result = replay(exchange(path=target), run, History(), 1.0)
    assert sent == [(run.api("shop").slot("green") / "api.sock", "POST", target)]
    assert (result.after.project, result.after.path) == ("shop", target)


def test_the_gateway_of_that_project_says_why_there_was_no_response(
    run: RunDir, sent: list[tuple[Path, str, str]]
) -> None:
    replay(exchange(path="/invoke/breaks-off"), run, History(), 1.0)
    assert sent[1] == (run.api("shop").slot("green") / "admin.sock", "POST", "/explain")


@pytest.mark.parametrize("project", ["shop", "x" * 90])
def test_what_is_not_served_any_more_gets_no_request(
    run: RunDir, sent: list[tuple[Path, str, str]], project: str
) -> None:
    run.api_link("shop").unlink()
    with pytest.raises(ReplayError, match=f"^{project} is not being served. Start it first.$"):
        replay(exchange(project), run, History(), 1.0)
    assert sent == []


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
