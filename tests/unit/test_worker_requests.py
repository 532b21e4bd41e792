"""What a worker makes of a request before a cell runs, without any process: REQUEST, routes, page, messages."""

import base64
import json
import os
import time
from typing import Any

import pytest
from kernel_gateway.notebook_http import request_utils
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from gateway.http.parser import ParsedMessage
from gateway.http.request import Request
from gateway.http.router import Router, allow_header
from gateway.http.wire import RejectedRequest, head, replace
from gateway.protocol import scoreboard
from gateway.protocol.messages import Cell, Config, Endpoint, decode, encode


def request(
    target: str = "/invoke/x",
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    method: str = "GET",
) -> Request:
    message = ParsedMessage(max_body=0)
    for name, value in headers or []:
        message.on_header(name.encode(), value.encode("latin-1"))
    return Request(method, target.encode("latin-1"), message.headers, body)


def described(*args: Any, **kwargs: Any) -> dict[str, Any]:
    text, make = request(*args, **kwargs).encode({})
    assert json.loads(text) == make(), "what is handed over is what the text says"
    return make()


def stock(target: str, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """body, args and headers as the stock gateway's own functions make them."""
    fields = HTTPHeaders()
    for name, value in headers:
        fields.add(name, value)
    theirs = HTTPServerRequest(start_line=RequestStartLine("POST", target, "HTTP/1.1"), headers=fields, body=body)
    theirs._parse_body()
    return {
        "body": request_utils.parse_body(theirs),
        "args": request_utils.parse_args(theirs.query_arguments),
        "headers": request_utils.headers_to_dict(theirs.headers),
    }


HOST = ("Host", "localhost")
MULTIPART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1 \xc3\xa9\r\n--B--\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("", b"text \xc3\xa9"),
        ("text/plain", b'{"a": 1}'),
        ("application/json", b'{"a": [1, 2.50, "\xc3\xa9", "\\ud83d\\ude00", null, true], "a ": {}}'),
        ("application/json", b'"only a string"'),
        ("application/json", b" [1e400, -0.0, 123456789012345678901234567890] "),
        ("application/json", b""),
        ("application/json", b"not json"),
        ("application/json", b'{"twice": 1, "twice": 2}'),
        ("application/json", b'1, "headers": {"X-Forged": "1"}'),
        ("application/json", b"[" * 2000),
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=&c&d=%C3%A9+%26"),
        ("multipart/form-data; boundary=B", MULTIPART),
    ],
)
def test_bodies_reach_the_cell_as_in_the_stock_gateway(content_type: str, body: bytes) -> None:
    headers = [HOST, *([("Content-Type", content_type)] if content_type else [])]
    ours = described("/invoke/x", headers, body)
    theirs = stock("/invoke/x", headers, body)
    assert {key: ours[key] for key in theirs} == theirs
    assert "X-Forged" not in ours["headers"]


@pytest.mark.parametrize("query", ["", "?", "?a=1&a=2&b=&c", "?a=%20x+y%2B", "?=1&&x", "?x=%zz%4", "?a=b=c"])
def test_queries_reach_the_cell_as_in_the_stock_gateway(query: str) -> None:
    assert described(f"/x{query}")["args"] == stock(f"/x{query}", [HOST], b"")["args"]


def test_headers_reach_the_cell_as_in_the_stock_gateway() -> None:
    headers = [
        ("host", "h"),
        ("X-MANY", "1"),
        ("x-many", "2"),
        ("x-Many", "3"),
        ("x-twice", "1"),
        ("x-twice", "1"),
        ("x-empty", ""),
        ("x-empty", ""),
        ("x-latin", "\xe9"),
        ("e", ""),
    ]
    assert described("/x", headers)["headers"] == stock("/x", headers, b"")["headers"]


def test_the_password_never_reaches_the_cell() -> None:
    headers = described("/x", [("AUTHORIZATION", "Basic eA=="), ("Proxy-Authorization", "x"), ("A", "b")])["headers"]
    assert headers == {"A": "b"}


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"])
def test_json_by_any_name_is_parsed(kind: str) -> None:
    assert described("/x", [("Content-Type", kind)], b'{"a": 1}')["body"] == {"a": 1}


def test_a_form_with_a_charset_is_a_form() -> None:
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    assert described("/x", [("Content-Type", kind)], b"a=1")["body"] == {"a": ["1"]}


def test_a_body_that_is_no_text_comes_as_base64() -> None:
    told = described("/x", [("Content-Type", "image/png")], b"\x89PNG\xff")
    assert told["body"] is None
    assert base64.b64decode(told["body_base64"]) == b"\x89PNG\xff"


def test_uploaded_files_come_as_base64_beside_the_fields() -> None:
    part = b'Content-Disposition: form-data; name="f"; filename="x.bin"\r\nContent-Type: image/png\r\n\r\n\x89\xff\r\n'
    body = MULTIPART.replace(b"--B--", b"--B\r\n" + part + b"--B--")
    told = described("/x", [("Content-Type", "multipart/form-data; boundary=B")], body)
    assert told["body"] == {"a": ["1 é"]}
    upload = {
        "filename": "x.bin",
        "content_type": "image/png",
        "body_base64": base64.b64encode(b"\x89\xff").decode(),
    }
    assert told["files"] == {"f": [upload]}


def test_the_cell_is_told_method_and_url() -> None:
    told = described("/invoke/a%20b?x=1", method="PATCH")
    assert (told["method"], told["url"]) == ("PATCH", "/invoke/a%20b?x=1")


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/x?a=%ff", [], b""),
        ("/x", [("Content-Type", "application/x-www-form-urlencoded")], b"a=%ff"),
        ("/x", [("Content-Type", "multipart/form-data; boundary=B")], b"nothing of the kind"),
    ],
)
def test_what_cannot_be_decoded_is_refused(target: str, headers: list[tuple[str, str]], body: bytes) -> None:
    with pytest.raises(RejectedRequest) as refusal:
        request(target, headers, body).encode({})
    assert (refusal.value.status, refusal.value.code) == (400, "bad-request")


def test_a_harmless_request_id_is_kept_and_any_other_replaced() -> None:
    assert request(headers=[("X-Request-Id", "abc-1.2_3")]).request_id == "abc-1.2_3"
    made = {request(headers=[("X-Request-Id", bad)]).request_id for bad in ("", "a b", "x" * 65, "\xe9")}
    assert len(made) == 4
    assert not made & {"", "a b", "x" * 65, "\xe9"}


@pytest.fixture
def router() -> Router[str]:
    router: Router[str] = Router("/invoke")
    for path in (
        "/j/:a/:b",
        "/j/:a/x",
        "/j/y/:b",
        "/",
        "/lit",
        "/lit.+",
        "/:a-b",
        "/deep/:x/end",
        "/:y/b/:z/q",
    ):
        router.add("GET", path, path)
    router.add("POST", "/lit", "posted")
    return router


@pytest.mark.parametrize(
    ("path", "target", "parameters"),
    [
        ("/invoke/lit", "/lit", {}),
        ("/invoke/lit/", "/lit", {}),
        ("/invoke", "/", {}),
        ("/invoke/", "/", {}),
        ("/invoke/j/1/x", "/j/:a/x", {"a": "1"}),
        ("/invoke/j/1/2", "/j/:a/:b", {"a": "1", "b": "2"}),
        ("/invoke/j/y/x", "/j/y/:b", {"b": "x"}),
        ("/invoke/j/a%2Fb/%C3%A9+", "/j/:a/:b", {"a": "a/b", "b": "é+"}),
        ("/invoke/li%74", "/lit", {}),
        ("/invoke/lit.+", "/lit.+", {}),
        ("/invoke/anything", "/:a-b", {"a-b": "anything"}),
        ("/invoke/deep/b/c/q", "/:y/b/:z/q", {"y": "deep", "z": "c"}),
    ],
)
def test_paths_lead_to_the_most_literal_endpoint(
    router: Router[str], path: str, target: str, parameters: dict[str, str]
) -> None:
    found = router.find("GET", path.encode())
    assert found is not None
    assert (found.target, found.path) == (target, parameters)


@pytest.mark.parametrize("path", ["/", "", "/lit", "/invoke//", "/invoke/j/1", "/invoke/j//x", "/invoke/deep/x/end/y"])
def test_other_paths_lead_nowhere(router: Router[str], path: str) -> None:
    assert router.find("GET", path.encode()) is None


def test_a_wrong_method_is_told_the_right_ones(router: Router[str]) -> None:
    found = router.find("DELETE", b"/invoke/lit")
    assert found is not None
    assert found.target is None
    assert allow_header(found.allowed) == "GET, POST, HEAD, OPTIONS"


def test_a_method_is_looked_for_at_less_literal_paths_too() -> None:
    router: Router[str] = Router("/")
    router.add("GET", "/a/x", "literal")
    router.add("POST", "/a/:p", "parameter")
    found = router.find("POST", b"/a/x")
    assert found is not None
    assert (found.target, found.path) == ("parameter", {"p": "x"})


def test_a_configuration_survives_its_journey() -> None:
    config = Config(
        endpoints=(
            Endpoint("GET", "/a", (Cell(1, "x"),), (Cell(2, "y"),), 1.5),
            Endpoint("PUT", "/b", (Cell(3, ""),)),
        ),
        static={"/_api/spec/swagger.json": ("application/json", "{}")},
    )
    line = encode({"do": "serve", "config": config.to_json()})
    assert line.count(b"\n") == 1
    assert Config.from_json(decode(line)["config"]) == config


def test_the_scoreboard_shows_from_outside_what_runs() -> None:
    fd = scoreboard.create("test")
    with pytest.raises(ValueError, match="not been opened"):
        scoreboard.read(fd)
    ours = scoreboard.Scoreboard(fd)
    slot = ours.begin(b"request-1", time.monotonic(), 1.5)
    seen = scoreboard.read(fd)
    assert seen.pid == os.getpid()
    (running,) = seen.running
    assert (running.request_id, running.limit_s) == ("request-1", 1.5)
    assert -1.5 < running.overdue_s() < 0
    ours.end(slot)
    assert scoreboard.read(fd).running == ()
    os.close(fd)


def test_more_requests_than_slots_do_no_harm() -> None:
    fd = scoreboard.create("test")
    ours = scoreboard.Scoreboard(fd)
    slots = [ours.begin(b"r", 1.0, 1.0) for _ in range(scoreboard.SLOTS + 3)]
    assert len(scoreboard.read(fd).running) == scoreboard.SLOTS
    for slot in slots:
        ours.end(slot)
    assert scoreboard.read(fd).running == ()
    assert ours.begin(b"r", 1.0, 1.0) in slots
    os.close(fd)


def test_headers_are_replaced_whatever_their_case() -> None:
    headers = replace([("Content-Type", "a"), ("X", "1")], "content-type", ["b"])
    assert headers == [("X", "1"), ("content-type", "b")]
    assert head(418, headers).startswith(
        b"HTTP/1.1 418 I'm a Teapot\r\nX: 1\r\ncontent-type: b\r\nConnection: close\r\n"
    )
