"""What arrives at a cell, and that no request is lost while the API changes."""

import base64
import json
import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.stack import Stack, as_json
from tests.support.waiting import eventually

ECHO = ["import json", "# POST /echo\nprint(REQUEST)", "# GET /echo/:value\nprint(REQUEST)"]
SLOW = "import time\nfrom pathlib import Path"


def slow_cell(start_file: Path, seconds: float) -> str:
    """An endpoint that says when it has begun, and takes its time."""
    return f"# GET /slow\nPath({str(start_file)!r}).touch()\ntime.sleep({seconds})\nprint('finished')"


@pytest.fixture
def echo(stack: Stack) -> Stack:
    """A stack that serves its requests back."""
    if stack.status()["notebook"] != "echo":
        stack.serve("echo", ECHO)
    return stack


@pytest.mark.parametrize(
    ("segment", "value"),
    [
        ("plain", "plain"),
        ("a%2Fb", "a/b"),
        ("a%20b", "a b"),
        ("a%252Fb", "a%2Fb"),
        ("100%25", "100%"),
        ("%C3%BC", "ü"),
        ("a+b", "a+b"),
    ],
)
def test_a_path_parameter_is_decoded_once(echo: Stack, segment: str, value: str) -> None:
    answer = echo.invoke(f"echo/{segment}")

    assert answer.status_code == 200, answer.text
    assert as_json(answer)["path"] == {"value": value}


def test_query_and_json_body_arrive_parsed(echo: Stack) -> None:
    body = {"text": "ü\n\"quoted\" 'too' \\ {}", "number": 1.5, "none": None}

    message = as_json(echo.invoke("echo", method="POST", params={"a": ["1", "2"]}, json=body))

    assert message["body"] == body
    assert message["args"] == {"a": ["1", "2"]}


@pytest.mark.parametrize("offer", ["h2c", "websocket"])
def test_a_body_arrives_whatever_protocol_the_caller_offers_besides(echo: Stack, offer: str) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": offer, "HTTP2-Settings": "AAMAAABkAARAAAAA"}

    answer = echo.invoke("echo", method="POST", json={"a": 1}, headers=headers)

    assert (answer.status_code, as_json(answer)["body"]) == (200, {"a": 1})
    assert "Upgrade" not in as_json(answer)["headers"]


def test_what_is_no_text_arrives_as_base64(echo: Stack) -> None:
    image = b"\x89PNG\r\n\x1a\n\0\xff"

    message = as_json(echo.invoke("echo", method="POST", data=image, headers={"Content-Type": "image/png"}))
    form = echo.invoke("echo", method="POST", data={"note": "ü"}, files={"picture": ("p.png", image, "image/png")})

    assert (message["body"], base64.b64decode(message["body_base64"])) == (None, image)
    (picture,) = as_json(form)["files"]["picture"]
    assert (picture["filename"], picture["content_type"]) == ("p.png", "image/png")
    assert base64.b64decode(picture["body_base64"]) == image
    assert as_json(form)["body"] == {"note": ["ü"]}


def test_a_query_that_is_no_text_is_refused_as_json(echo: Stack) -> None:
    refusal = echo.invoke("echo/1?a=%ff")

    assert (refusal.status_code, as_json(refusal)["extensions"]["code"]) == (400, "bad-request")


def test_a_body_that_comes_in_chunks_arrives_whole(echo: Stack) -> None:
    pieces = iter([b'{"a": ', b"[1, 2]", b"}"])

    message = as_json(echo.invoke("echo", method="POST", data=pieces, headers={"Content-Type": "application/json"}))

    assert message["body"] == {"a": [1, 2]}


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/cloudevents+json"])
def test_json_by_any_name_arrives_parsed(echo: Stack, kind: str) -> None:
    message = as_json(echo.invoke("echo", method="POST", data=b'{"a": "\xc3\xbc"}', headers={"Content-Type": kind}))

    assert message["body"] == {"a": "ü"}


def test_head_options_and_a_slash_too_many_are_answered(echo: Stack) -> None:
    head = echo.invoke("echo/1", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert echo.invoke("echo", method="OPTIONS").headers["Allow"] == "POST, OPTIONS"
    assert as_json(echo.invoke("echo/1/"))["path"] == {"value": "1"}
    refusal = echo.invoke("echo", method="PATCH")
    assert (refusal.status_code, refusal.headers["Allow"]) == (405, "POST, OPTIONS")


def test_a_body_of_20_mb_passes(stack: Stack) -> None:
    stack.serve("large", ["import json", "# POST /size\nprint(len(json.loads(REQUEST)['body']))"])
    size = 20 * 1024 * 1024

    answer = stack.invoke("size", method="POST", data=b"x" * size, headers={"Content-Type": "text/plain"})

    assert (answer.status_code, answer.text.strip()) == (200, str(size))


def test_a_callers_request_id_arrives(echo: Stack) -> None:
    answer = echo.invoke("echo/1", headers={"X-Request-Id": "order-4711.a_b"})

    assert as_json(answer)["headers"]["X-Request-Id"] == "order-4711.a_b"


def test_a_header_arrives_whatever_its_name_is_made_of(echo: Stack) -> None:
    sent = {"Api_key": "secret", "X.trace": "1", "X!#$%&'*+^`|~": "2", "X-Plain": "3", "X_plain": "4"}

    headers = as_json(echo.invoke("echo/1", headers=sent))["headers"]

    assert {name: headers.get(name) for name in sent} == sent


def test_a_header_whose_name_http_does_not_allow_is_refused_as_json(echo: Stack) -> None:
    refusal = echo.invoke("echo/1", headers={"X(y)": "1"})

    assert (refusal.status_code, as_json(refusal)["extensions"]["code"]) == (400, "bad-request")


def test_a_header_with_an_underscore_takes_no_other_headers_place(echo: Stack) -> None:
    headers = {"X_request_id": "first", "X-Request-Id": "second", "Content_length": "1", "Transfer_encoding": "chunked"}

    answer = echo.invoke("echo", "POST", headers=headers, json={"a": 1})

    seen = as_json(answer)["headers"]
    assert as_json(answer)["body"] == {"a": 1}
    assert seen["Content-Length"] == "8"
    assert [seen[name] for name in headers if "_" in name] == ["first", "1", "chunked"]
    assert seen["X-Request-Id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("request_id", [None, "has blanks", "x" * 65, '"; drop', ""])
def test_a_request_without_a_usable_id_gets_one(echo: Stack, request_id: str | None) -> None:
    headers = {} if request_id is None else {"X-Request-Id": request_id}

    first, second = (as_json(echo.invoke("echo/1", headers=headers))["headers"]["X-Request-Id"] for _ in range(2))

    assert len(first) >= 16
    assert first.isalnum()
    assert first != second
    assert request_id is None or first != request_id


def test_a_cell_learns_how_it_was_called(echo: Stack) -> None:
    headers = as_json(echo.invoke("echo/1", headers={"X-Forwarded-Proto": "https"}))["headers"]

    assert headers["Host"] == f"127.0.0.1:{echo.port}"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["X-Forwarded-For"] == "127.0.0.1"


def test_a_request_in_flight_is_finished_at_a_restart(stack: Stack, tmp_path: Path) -> None:
    start_file = tmp_path / "begun"
    stack.serve("slow", [SLOW, slow_cell(start_file, 3)])
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(stack.invoke, "slow")
        eventually(start_file.exists, 5, "the request in its cell")

        assert stack.restart_api().status_code == 200

        answer = slow.result(60)
    assert (answer.status_code, answer.text.strip()) == (200, "finished")


def test_requests_in_flight_and_in_the_queue_are_finished_at_a_stop(stack: Stack, tmp_path: Path) -> None:
    start_file = tmp_path / "begun"
    stack.serve("slow", [SLOW, slow_cell(start_file, 2)])
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(stack.invoke, "slow") for _ in range(3)]
        eventually(start_file.exists, 5, "the first request in its cell")
        eventually(lambda: is_queue_two(stack), 5, "the two others in the queue")

        response = stack.stop_api()

        answers = [(answer := future.result(60)).status_code for future in slow]
    assert response.status_code == 200
    assert answers == [200, 200, 200], answer.text
    assert stack.invoke("slow").status_code == 503


def is_queue_two(stack: Stack) -> bool:
    metrics = stack.get("/process/metrics").text
    return re.search(r"^notebook_api_queue_length\{.*\} 2.0$", metrics, re.MULTILINE) is not None


def test_no_request_is_lost_while_the_api_restarts(stack: Stack) -> None:
    stack.serve("busy", ["# GET /version\nprint(0)", "# POST /version\nprint(0)"])
    over = threading.Event()

    def call_without_pause(method: str) -> tuple[int, list[str], set[str]]:
        count, bad, outputs = 0, [], set()
        while not over.is_set():
            count += 1
            try:
                answer = stack.invoke("version", method=method, timeout=20)
            except requests.RequestException as error:
                bad.append(repr(error))
                continue
            outputs.add(answer.text.strip())
            if answer.status_code != 200 or not answer.text.strip():
                bad.append(f"{answer.status_code} {answer.text}")
        return count, bad, outputs

    with ThreadPoolExecutor(2) as pool:
        callers: list[Future[tuple[int, list[str], set[str]]]] = [
            pool.submit(call_without_pause, method) for method in ("GET", "POST")
        ]
        try:
            for version in ("1", "2", "3"):
                stack.write("busy", [f"# {method} /version\nprint({version})" for method in ("GET", "POST")])
                assert stack.restart_api().status_code == 200
                assert stack.invoke("version").text.strip() == version
        finally:
            over.set()
        results = [caller.result(60) for caller in callers]

    assert [bad for _, bad, _ in results] == [[], []]
    assert sum(count for count, _, _ in results) > 50
    assert set.union(*(outputs for _, _, outputs in results)) >= {"0", "1", "2"}


def test_a_caller_who_waits_for_a_closed_connection_gets_a_whole_answer(stack: Stack) -> None:
    stack.serve("long", ["# GET /long\nprint('x' * 3_000_000)"])
    start = time.monotonic()

    answer = stack.invoke("long")

    assert len(answer.text.strip()) == 3_000_000
    assert time.monotonic() - start < 20
    assert json.dumps(answer.text.strip()[:3]) == '"xxx"'
