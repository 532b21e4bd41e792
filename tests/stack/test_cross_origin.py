"""Calls of the API from a browser's page of another origin."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.stack import API_USER, Stack
from tests.support.waiting import eventually

PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
CELLS = ["# GET /x\nprint('x')", "# POST /x\nprint('posted')"]


@pytest.fixture(scope="module")
def named() -> Iterator[Stack]:
    """A stack whose API may be called from two origins, with small limits."""
    with Stack(CORS_ORIGINS="https://app.example https://b.example", MAX_BODY_MB="1", QUEUE_LIMIT="2") as stack:
        yield stack.start()


@pytest.fixture(scope="module")
def open_to_all() -> Iterator[Stack]:
    """A stack whose API may be called from any origin."""
    with Stack(CORS_ORIGINS="*") as stack:
        yield stack.start()


def test_a_page_of_an_origin_that_is_allowed_may_call(named: Stack) -> None:
    named.serve("cors", CELLS)
    allowed = named.invoke("x", "OPTIONS", auth=None, headers=PREFLIGHT)
    assert allowed.status_code == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    answer = named.invoke("x", "POST", headers={"Origin": "https://app.example"})
    assert (answer.text, answer.headers["Access-Control-Allow-Origin"]) == ("posted\n", "https://app.example")

    foreign = named.invoke("x", headers={"Origin": "https://other.example"})
    assert foreign.status_code == 200
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert named.invoke("x", auth=None).status_code == 401, "only the question is free, not the call"
    assert named.invoke("x", "POST", auth=None).status_code == 401


def test_a_page_may_also_see_what_the_api_itself_did_not_answer(named: Stack) -> None:
    origin = {"Origin": "https://b.example"}
    named.stop_api()
    nothing_served = named.invoke("x", headers=origin)
    without_password = named.invoke("x", auth=None, headers=origin)
    too_large = named.invoke("x", "POST", headers=origin, data=b"x" * 2_000_000)
    for answer, status in ((nothing_served, 503), (without_password, 401), (too_large, 413)):
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "https://b.example")
    foreign = named.invoke("x", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_without_the_setting_no_other_origin_is_answered(stack: Stack) -> None:
    stack.serve("cors", CELLS)
    assert stack.invoke("x", "OPTIONS", auth=None, headers=PREFLIGHT).status_code == 401
    answer = stack.invoke("x", headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_page_may_send_the_headers_that_it_asks_for(open_to_all: Stack) -> None:
    asked = "authorization,content-type,x-trace-id"
    preflight = {**PREFLIGHT, "Access-Control-Request-Headers": asked}

    answer = open_to_all.invoke("x", "OPTIONS", auth=None, headers=preflight)

    assert answer.headers["Access-Control-Allow-Headers"] == asked
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"


def test_preflights_take_no_place_in_the_queue(named: Stack, tmp_path: Path) -> None:
    begun, may_end = tmp_path / "begun", tmp_path / "may-end"
    # It keeps the kernel busy until it may end.
    busy = "begun.touch()\nwhile not may_end.exists():\n    time.sleep(0.01)\nprint('busy')"
    paths = f"begun, may_end = pathlib.Path({str(begun)!r}), pathlib.Path({str(may_end)!r})"
    named.serve("cors", [f"import pathlib, time\n{paths}", f"# GET /busy\n{busy}", *CELLS])

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(named.invoke, "busy", auth=API_USER)
        eventually(begun.exists, 10, "a busy kernel")
        for _ in range(100):
            assert named.invoke("x", "OPTIONS", auth=None, headers=PREFLIGHT).status_code == 204
        second = pool.submit(named.invoke, "x", auth=API_USER)
        may_end.touch()

        assert [first.result().status_code, second.result().status_code] == [200, 200]


def test_a_question_that_is_no_preflight_takes_a_password(named: Stack) -> None:
    named.serve("cors", CELLS)

    for headers in ({}, {"Origin": "https://app.example"}, {**PREFLIGHT, "Origin": "https://other.example"}):
        assert named.invoke("x", "OPTIONS", auth=None, headers=headers).status_code == 401
    assert named.invoke("x", "OPTIONS").headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_a_cell_that_names_origins_itself_is_the_only_one_to_do_so(open_to_all: Stack) -> None:
    header = "{'Access-Control-Allow-Origin': 'https://b.example'}"
    open_to_all.serve("cors", ["import flask", f"# GET /x\nflask.Response('x', headers={header})"])

    answer = open_to_all.invoke("x", headers={"Origin": "https://a.example"})

    assert answer.headers["Access-Control-Allow-Origin"] == "https://b.example"


def test_a_browsers_call_from_another_site_passes_if_its_origin_may_call(named: Stack) -> None:
    named.serve("cors", CELLS)

    for origin, status in (("https://app.example", 200), ("https://other.example", 403)):
        browsers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "User-Agent": "Mozilla/5.0 (X11)"}
        assert named.invoke("x", "POST", headers={"Origin": origin, **browsers}).status_code == status
