"""Thousands of spellings of paths and headers, sent as they are: none opens what its sender may not open."""

import itertools
import json
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from http.client import HTTPResponse
from typing import BinaryIO

import pytest

from tests.support.half_sent import basic
from tests.support.jupyter import Jupyter
from tests.support.stack import API_USER, OWNER, Stack, another_address
from tests.support.waiting import eventually

TARGETS = [
    "process/stop",
    "process/status",
    "process/download?notebook=served",
    "jupyter/api/kernels",
    "docs",
    "requests",
    "",
]
ENTRANCES = ["/healthz", "/invoke", "/invoke/x", "/static", "/jupyter", "/process/../healthz", "/invoke/_api", ""]
UPS = [
    "/../",
    "/../../",
    "/../../../",
    "/..%2f",
    "/%2e%2e/",
    "/%2e%2e%2f",
    "/.%2e/",
    "/..%5c",
    "\\..\\",
    "/..;/",
    "/%252e%252e/",
    "/..%252f",
    "/%c0%ae%c0%ae/",
    "/%uff0e%uff0e/",
    "/./",
    "//",
    "/%2f",
    ";/",
    "%00/",
    "%0a/",
    "?/../",
    "#/../",
    "/..%00/",
    "/..%0d%0a/",
    "/.../",
    "%20/../",
    "/%2e/../",
    "/%2F..%2F",
]
ENDINGS = ["", "/", "%00", "%20", ";", ".json", "?x=/invoke/x", "/../../invoke/x", "/../../healthz"]
WRONG = (OWNER[0], "not-the-password")
AT_ONCE = 15  # requests of one address: with a wrong password, twenty would limit it


@pytest.fixture(scope="module")
def serving_stack(shared_stack: Stack) -> Stack:
    shared_stack.serve("served", ["# GET /x\nprint('of the cell')", "# POST /x\nprint('of the cell')"])
    return shared_stack


def spellings() -> Iterator[str]:
    """Paths that lead, or might be thought to lead, from where one may go to where one may not."""
    for entrance, up, target, ending in itertools.product(ENTRANCES, UPS, TARGETS, ENDINGS):
        yield f"{entrance}{up}{target}{ending}"


def requests_of(paths: Iterable[str], methods: Iterable[str], auth: tuple[str, str] | None) -> Iterator[bytes]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in basic(auth).items())
    for path, method in itertools.product(paths, methods):
        yield f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n{lines}\r\n".encode()


def answers(stack: Stack, requests: Iterable[bytes]) -> Iterator[tuple[bytes, int, bytes]]:
    """Each request with the status and the body of its answer."""
    waiting = iter(requests)
    while batch := list(itertools.islice(waiting, AT_ONCE)):
        source = (another_address(), 0)
        while batch:
            with socket.create_connection(("127.0.0.1", stack.port), 20, source) as connection:
                connection.sendall(b"".join(batch))
                with connection.makefile("rb") as stream:
                    while batch and (answer := read(stream)):
                        yield batch.pop(0), *answer
                        if answer[0] == 400:  # nginx closes the connection, and the rest has to be sent anew
                            break


def read(stream: BinaryIO) -> tuple[int, bytes] | None:
    """Status and body of the next answer; None where the connection has ended."""
    line = stream.readline()
    if not line:
        return None
    length = 0
    while header := stream.readline().strip():
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    status = int(line.split()[1])
    if status == 100:  # the answer follows
        return read(stream)
    return status, stream.read(length)


@pytest.mark.parametrize("auth", [None, WRONG, API_USER], ids=["no password", "a wrong password", "the API user"])
def test_no_spelling_of_a_path_opens_what_is_the_owners(serving_stack: Stack, auth: tuple[str, str] | None) -> None:
    health = serving_stack.get("/healthz").content
    allowed = {health, b"of the cell\n"} if auth == API_USER else {health}
    counts: Counter[int] = Counter()

    for request, status, body in answers(serving_stack, requests_of(spellings(), ["GET", "POST"], auth)):
        counts[status] += 1
        assert status >= 300 or (status == 200 and body in allowed), (request, status, body[:200])

    assert set(counts) <= {200, 301, 308, 400, 401, 403, 404, 405}, counts
    assert counts.total() == 2 * len(ENTRANCES) * len(UPS) * len(TARGETS) * len(ENDINGS)
    assert serving_stack.status()["state"] == "serving"
    assert serving_stack.get("/jupyter/api/kernels").json() == []


HEADERS = [
    "X-Original-URL: /process/stop",
    "X-Rewrite-URL: /process/stop",
    "X-Forwarded-Uri: /healthz",
    "X-Accel-Redirect: /process/stop",
    "X-Forwarded-Prefix: /invoke",
    "X-HTTP-Method-Override: OPTIONS",
    "X-Method-Override: OPTIONS",
    "X-Forwarded-For: 127.0.0.1",
    "X-Real-IP: 127.0.0.1",
    "X-Forwarded-Host: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=localhost",
    f"X-Forwarded-User: {OWNER[0]}",
    f"Remote-User: {OWNER[0]}",
    f"X-Remote-User: {OWNER[0]}",
    "X-Auth-Request-User: hasura",
    "Authorization: Basic",
    "Authorization: Basic Og==",
    "Authorization: Basic ====",
    "Authorization: Bearer x",
    "Authorization: Negotiate x",
    f"Authorization: Digest username={OWNER[0]}",
    "Proxy-Authorization: Basic aGFzdXJhOng=",
    "Cookie: notebook_api_login=",
    "Cookie: notebook_api_login=1",
    "Cookie: notebook_api_login=x; notebook_api_login=y",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
    "Expect: 100-continue",
    "Connection: Authorization",
    "Host: localhost",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding : chunked",
    "Content-Length: +0",
    "Content-Length: 0\r\nContent-Length: 40",
    " folded: x",
]


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_takes_the_place_of_a_password(serving_stack: Stack, header: str) -> None:
    for path in ("/process/stop", "/process/status", "/jupyter/api/kernels", "/invoke/x"):
        with socket.create_connection(("127.0.0.1", serving_stack.port), 20, (another_address(), 0)) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: test\r\n{header}\r\n\r\n".encode())
            with connection.makefile("rb") as stream:
                answer = read(stream)
        assert answer is None or answer[0] in {400, 401, 411, 501}, (path, answer)
    assert serving_stack.status()["state"] == "serving"


def test_no_header_with_an_underscore_passes_for_another_at_the_owners_addresses(serving_stack: Stack) -> None:
    site = {"Sec_Fetch_Site": "same-origin", "Sec-Fetch-Site": "cross-site"}

    assert serving_stack.get("/process/status", headers={"SCRIPT_NAME": "/process"}).status_code == 200
    assert serving_stack.get("/process/status", headers={"Content_Length": "9", "HTTP_HOST": "x"}).status_code == 200
    assert serving_stack.post("/process/stop", headers=site).status_code == 403
    assert serving_stack.status()["state"] == "serving"
    with Jupyter(serving_stack) as jupyter:
        token = {"X_XSRFToken": jupyter.session.cookies["_xsrf"]}
        assert jupyter.session.post(f"{serving_stack.url}/jupyter/api/kernels", headers=token).status_code == 403


HEAD = b"POST /invoke/x HTTP/1.1\r\nHost: test\r\n"
AUTHORIZATION = "".join(f"{name}: {value}\r\n" for name, value in basic(API_USER).items()).encode()


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /invoke/x?" + b"q" * 20_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414, "url-too-long"),
        (HEAD + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n", 431, "headers-too-large"),
        (b"GET /invoke/x%00 HTTP/1.1\r\nHost: test\r\n\r\n", 400, "bad-request"),
        (b"GET /invoke/100% HTTP/1.1\r\nHost: test\r\n\r\n", 400, "bad-request"),
        (b"GET /../x HTTP/1.1\r\nHost: test\r\n\r\n", 400, "bad-request"),
        (b"garbage\r\n\r\n", 400, "bad-request"),
        (b"GET /invoke/x HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET /invoke/x HTTP/1.1\r\nHost: te st\r\n\r\n", 400, "bad-request"),
        (HEAD + b"X Y: 1\r\n\r\n", 400, "bad-request"),
        (HEAD + b"Content-Length: much\r\n\r\n", 400, "bad-request"),
        (HEAD + AUTHORIZATION + b"Transfer-Encoding: chunked\r\n\r\nmuch\r\n", 400, "bad-request"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501, "not-implemented"),
        (b"GET /invoke/x HTTP/3.0\r\nHost: test\r\n\r\n", 505, "version-not-supported"),
        (b"TRACE /invoke/x HTTP/1.1\r\nHost: test\r\n\r\n", 405, "method-not-allowed"),
        (b"POST /static/x HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n", 413, "too-large"),
        (b"GET //error HTTP/1.1\r\nHost: test\r\n\r\n", 401, None),
    ],
    ids=lambda value: value[:60].decode() if isinstance(value, bytes) else str(value),
)
def test_what_nginx_rejects_by_itself_is_answered_as_json(
    serving_stack: Stack, request_bytes: bytes, status: int, code: str | None
) -> None:
    before = serving_stack.log()
    with socket.create_connection(("127.0.0.1", serving_stack.port), 20, (another_address(), 0)) as connection:
        connection.sendall(request_bytes)
        with HTTPResponse(connection) as response:
            response.begin()
            body = response.read()

    assert response.status == status, body
    if code:
        assert response.headers["Content-Type"] == "application/json"
        answer = json.loads(body)
        assert answer["extensions"]["code"] == code
        assert len(answer["message"]) > 20
    assert "nginx | " not in serving_stack.log()[len(before) :]


def test_what_nginx_accepts_is_not_too_long_for_the_control_app(serving_stack: Stack) -> None:
    many = {f"X-{number}": "x" for number in range(500)}

    assert serving_stack.get(f"/process/status?x={'x' * 12_000}").status_code == 200
    assert serving_stack.get("/process/status", headers={"X-Long": "x" * 12_000}).status_code == 200
    assert serving_stack.get("/process/status", headers=many).status_code == 200


def test_no_request_hides_in_the_body_of_another(serving_stack: Stack) -> None:
    inner_request = b"GET /invoke/x HTTP/1.1\r\nHost: test\r\nX-Request-Id: smuggled\r\n\r\n"
    framings = [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(inner_request) + 5),
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\nContent-Length: %d\r\n\r\n" % len(inner_request),
        b"Content-Length: %d\r\n\r\n" % len(inner_request),
    ]
    for framing in framings:
        with socket.create_connection(("127.0.0.1", serving_stack.port), 20, (another_address(), 0)) as connection:
            connection.sendall(HEAD + AUTHORIZATION + framing + inner_request)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as stream:
                while answer := read(stream):
                    assert answer[0] in {200, 400, 401, 501}, (framing, answer)
    assert serving_stack.invoke("x", headers={"X-Request-Id": "the-last"}).status_code == 200
    calls = eventually(
        lambda: [call["request_id"] for call in serving_stack.calls() if call["request_id"] == "the-last"], 5
    )
    assert calls
    inner_calls = [call for call in serving_stack.calls() if call["request_id"] == "smuggled"]
    assert {call["status"] for call in inner_calls} <= {401}, "what follows a request is looked at like any other"
