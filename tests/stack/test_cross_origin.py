"""Calls of the API from a browser's page of another origin."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.stack import API_USER, Stack, as_json
from tests.support.waiting import eventually

PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
CELLS = ["# GET /x\nprint('x')", "# POST /x\nprint('posted')"]


@pytest.fixture(scope="module")
def cors_stack() -> Iterator[Stack]:
    """A stack whose API may be called from two origins, with small limits."""
    with Stack(CORS_ORIGINS="https://app.example https://b.example", MAX_BODY_MB="1", QUEUE_LIMIT="2") as stack:
        yield stack.start()


@pytest.fixture(scope="module")
def open_to_all() -> Iterator[Stack]:
    """A stack whose API may be called from any origin."""
    with Stack(CORS_ORIGINS="*") as stack:
        yield stack.start()


def test_a_page_of_an_origin_that_is_allowed_may_call(cors_stack: Stack) -> None:
    cors_stack.serve("cors", CELLS)
    preflight = cors_stack.invoke("x", "OPTIONS", auth=None, headers=PREFLIGHT)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    answer = cors_stack.invoke("x", "POST", headers={"Origin": "https://app.example"})
    assert (answer.text, answer.headers["Access-Control-Allow-Origin"]) == ("posted\n", "https://app.example")

    foreign = cors_stack.invoke("x", headers={"Origin": "https://other.example"})
    assert foreign.status_code == 200
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert cors_stack.invoke("x", auth=None).status_code == 401, "only the question is free, not the call"
    assert cors_stack.invoke("x", "POST", auth=None).status_code == 401


def test_a_page_may_also_see_what_the_api_itself_did_not_answer(cors_stack: Stack) -> None:
    origin = {"Origin": "https://b.example"}
    cors_stack.stop_api()
    nothing_served = cors_stack.invoke("x", headers=origin)
    without_password = cors_stack.invoke("x", auth=None, headers=origin)
    too_large = cors_stack.invoke("x", "POST", headers=origin, data=b"x" * 2_000_000)
    for answer, status in ((nothing_served, 503), (without_password, 401), (too_large, 413)):
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "https://b.example")
    foreign = cors_stack.invoke("x", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_at_an_apis_own_address_it_is_the_same(cors_stack: Stack) -> None:
    cors_stack.serve("cors", CELLS)

    for address in ("/apis/cors/x", "/apis/nobody/x"):
        preflight = cors_stack.request("OPTIONS", address, auth=None, headers=PREFLIGHT)
        assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, "https://app.example")
        assert cors_stack.get(address, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        for data, status in ((b"x", 503 if "nobody" in address else 200), (b"x" * 2_000_000, 413)):
            answer = cors_stack.post(address, headers={"Origin": "https://app.example"}, data=data)
            origin = answer.headers["Access-Control-Allow-Origin"]
            assert (answer.status_code, origin) == (status, "https://app.example")


def test_without_the_setting_no_other_origin_is_answered(stack: Stack) -> None:
    stack.serve("cors", CELLS)
    assert stack.invoke("x", "OPTIONS", auth=None, headers=PREFLIGHT).status_code == 401
    answer = stack.invoke("x", headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_page_may_send_the_headers_that_it_asks_for(open_to_all: Stack) -> None:
    header_names = "authorization,content-type,x-webhook-secret,api_key"
    preflight = {**PREFLIGHT, "Access-Control-Request-Headers": header_names}

    answer = open_to_all.invoke("x", "OPTIONS", auth=None, headers=preflight)

    assert answer.headers["Access-Control-Allow-Headers"] == header_names
    assert answer.headers["Vary"] == "Origin, Access-Control-Request-Headers"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"


def test_preflights_take_no_place_in_the_queue(cors_stack: Stack, tmp_path: Path) -> None:
    start_file, may_end = tmp_path / "begun", tmp_path / "may-end"
    # It keeps the kernel busy until it may end.
    busy = "start_file.touch()\nwhile not may_end.exists():\n    time.sleep(0.01)\nprint('busy')"
    paths = f"start_file, may_end = pathlib.Path({str(start_file)!r}), pathlib.Path({str(may_end)!r})"
    cors_stack.serve("cors", [f"import pathlib, time\n{paths}", f"# GET /busy\n{busy}", *CELLS])

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cors_stack.invoke, "busy", auth=API_USER)
        eventually(start_file.exists, 10, "a busy kernel")
        for _ in range(100):
            assert cors_stack.invoke("x", "OPTIONS", auth=None, headers=PREFLIGHT).status_code == 204
        second = pool.submit(cors_stack.invoke, "x", auth=API_USER)
        may_end.touch()

        assert [first.result().status_code, second.result().status_code] == [200, 200]


def test_a_question_that_is_no_preflight_takes_a_password(cors_stack: Stack) -> None:
    cors_stack.serve("cors", CELLS)

    for headers in ({}, {"Origin": "https://app.example"}, {**PREFLIGHT, "Origin": "https://other.example"}):
        assert cors_stack.invoke("x", "OPTIONS", auth=None, headers=headers).status_code == 401
    assert cors_stack.invoke("x", "OPTIONS").headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_a_cell_that_names_origins_itself_is_the_only_one_to_do_so(open_to_all: Stack) -> None:
    header = "{'Access-Control-Allow-Origin': 'https://b.example'}"
    open_to_all.serve("cors", ["import flask", f"# GET /x\nflask.Response('x', headers={header})"])

    answer = open_to_all.invoke("x", headers={"Origin": "https://a.example"})

    assert answer.headers["Access-Control-Allow-Origin"] == "https://b.example"


def test_a_browsers_call_from_another_site_passes_if_its_origin_may_call(cors_stack: Stack) -> None:
    cors_stack.serve("cors", CELLS)

    for origin, status in (("https://app.example", 200), ("https://other.example", 403)):
        browsers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "User-Agent": "Mozilla/5.0 (X11)"}
        assert cors_stack.invoke("x", "POST", headers={"Origin": origin, **browsers}).status_code == status


def test_at_the_address_for_agents_programs_of_other_origins_are_refused_too(cors_stack: Stack) -> None:
    preflight = cors_stack.request("OPTIONS", "/mcp", auth=None, headers=PREFLIGHT)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"

    # 405: it has passed, and only POST is answered.
    for origin, status in (("https://app.example", 405), (cors_stack.url, 405), ("https://other.example", 403)):
        answer = cors_stack.get("/mcp", auth=API_USER, headers={"Origin": origin})
        assert answer.status_code == status
    assert as_json(answer)["extensions"]["code"] == "cross-site"
    assert cors_stack.get("/mcp", headers={"Origin": "null"}).status_code == 403
    assert cors_stack.get("/mcp", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
