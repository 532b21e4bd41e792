"""REQUEST as a cell sees it, compared with the stock gateway's own functions."""

import base64
import json
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from kernel_gateway.notebook_http import request_utils
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from gateway.http.parser import ParsedMessage
from gateway.http.request import Request
from gateway.http.wire import RejectedRequest


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


def describe(*args: Any, **kwargs: Any) -> dict[str, Any]:
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
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=&c&d=%C3%A9+%26"),
        ("multipart/form-data; boundary=B", MULTIPART),
    ],
)
def test_bodies_reach_the_cell_as_in_the_stock_gateway(content_type: str, body: bytes) -> None:
    headers = [HOST, *([("Content-Type", content_type)] if content_type else [])]
    ours = describe("/invoke/x", headers, body)
    theirs = stock("/invoke/x", headers, body)
    assert {key: ours[key] for key in theirs} == theirs
    assert "X-Forged" not in ours["headers"]


@pytest.mark.parametrize("query", ["", "?", "?a=1&a=2&b=&c", "?a=%20x+y%2B", "?=1&&x", "?x=%zz%4", "?a=b=c"])
def test_queries_reach_the_cell_as_in_the_stock_gateway(query: str) -> None:
    assert describe(f"/x{query}")["args"] == stock(f"/x{query}", [HOST], b"")["args"]


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
    assert describe("/x", headers)["headers"] == stock("/x", headers, b"")["headers"]


def test_the_password_never_reaches_the_cell() -> None:
    headers = describe("/x", [("AUTHORIZATION", "Basic eA=="), ("Proxy-Authorization", "x"), ("A", "b")])["headers"]
    assert headers == {"A": "b"}


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"])
def test_json_by_any_name_is_parsed(kind: str) -> None:
    assert describe("/x", [("Content-Type", kind)], b'{"a": 1}')["body"] == {"a": 1}


def test_the_bytes_that_were_sent_are_kept_beside_request() -> None:
    received = request(headers=[("Content-Type", "application/json")], body=b'{"price": 10.00}')
    received.encode({})
    assert received.content == b'{"price": 10.00}'


def test_a_form_with_a_charset_is_a_form() -> None:
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    assert describe("/x", [("Content-Type", kind)], b"a=1")["body"] == {"a": ["1"]}


def test_a_body_that_is_no_text_comes_as_base64() -> None:
    message = describe("/x", [("Content-Type", "image/png")], b"\x89PNG\xff")
    assert message["body"] is None
    assert base64.b64decode(message["body_base64"]) == b"\x89PNG\xff"


def test_uploaded_files_come_as_base64_beside_the_fields() -> None:
    part = b'Content-Disposition: form-data; name="f"; filename="x.bin"\r\nContent-Type: image/png\r\n\r\n\x89\xff\r\n'
    body = MULTIPART.replace(b"--B--", b"--B\r\n" + part + b"--B--")
    message = describe("/x", [("Content-Type", "multipart/form-data; boundary=B")], body)
    assert message["body"] == {"a": ["1 é"]}
    upload = {
        "filename": "x.bin",
        "content_type": "image/png",
        "body_base64": base64.b64encode(b"\x89\xff").decode(),
    }
    assert message["files"] == {"f": [upload]}


def test_the_cell_is_told_method_and_url() -> None:
    message = describe("/invoke/a%20b?x=1", method="PATCH")
    assert (message["method"], message["url"]) == ("PATCH", "/invoke/a%20b?x=1")


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/x?a=%ff", [], b""),
        ("/x", [("Content-Type", "application/x-www-form-urlencoded")], b"a=%ff"),
        ("/x", [("Content-Type", "multipart/form-data; boundary=B")], b"nothing of the kind"),
        ("/x", [("Content-Type", "application/json")], b"[" * 50_000 + b"]" * 50_000),
        ("/x", [("Content-Type", "application/json")], b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    ],
)
def test_what_cannot_be_decoded_is_refused(target: str, headers: list[tuple[str, str]], body: bytes) -> None:
    with pytest.raises(RejectedRequest) as refusal:
        request(target, headers, body).encode({})
    assert (refusal.value.status, refusal.value.code) == (400, "bad-request")


def test_json_that_is_nested_too_deep_is_refused_for_that_reason() -> None:
    with pytest.raises(RejectedRequest, match="nested too deep"):
        request("/x", [("Content-Type", "application/json")], b"[" * 50_000).encode({})


URLENCODED = [("Content-Type", "application/x-www-form-urlencoded")]
PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    ("headers", "field", "separator", "end"),
    [
        (URLENCODED, b"a=1", b"&", b""),
        ([("Content-Type", "multipart/form-data; boundary=B")], PART, b"", b"--B--\r\n"),
    ],
)
def test_a_form_may_have_ten_thousand_fields_and_no_more(
    headers: list[tuple[str, str]], field: bytes, separator: bytes, end: bytes
) -> None:
    def form(fields: int) -> bytes:
        return separator.join([field] * fields) + end

    assert describe("/x", headers, form(10_000))["body"] == {"a": ["1"] * 10_000}
    with pytest.raises(RejectedRequest, match="at most 10,000 fields") as refusal:
        request("/x", headers, form(10_001)).encode({})
    assert (refusal.value.status, refusal.value.code) == (413, "too-many-fields")


def test_a_long_field_is_decoded_like_a_short_one() -> None:
    value = "".join(f"{number:05} %é&" for number in range(30_000))
    for text in (value, "x" + value, "xx" + value):
        quoted = urlencode({"a": text})
        assert describe("/x", URLENCODED, quoted.encode())["body"] == {"a": [text]}
    odd = "%" * 70_000 + "%4" + "1" * 65_533 + "%zz%4"
    assert describe("/x", URLENCODED, f"a={odd}".encode())["body"] == {"a": [unquote(odd)]}


def test_a_harmless_request_id_is_kept_and_any_other_replaced() -> None:
    assert request(headers=[("X-Request-Id", "abc-1.2_3")]).request_id == "abc-1.2_3"
    ids = {request(headers=[("X-Request-Id", bad)]).request_id for bad in ("", "a b", "x" * 65, "\xe9")}
    assert len(ids) == 4
    assert not ids & {"", "a b", "x" * 65, "\xe9"}
