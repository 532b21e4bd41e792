"""Whoever guesses passwords is looked at rarely; nobody else notices."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from requests import Response

from tests.support.stack import API_USER, OWNER, Stack, another_address, as_json
from tests.support.waiting import eventually

WRONG = (OWNER[0], "not-the-password")
FAILURES = 20
SOME_MORE = 10  # nginx waits for nobody: one of many at once may not be heard


@pytest.fixture
def serving_stack(stack: Stack) -> Stack:
    stack.keep_serving("served", ["import flask", "# GET /x\nprint('x')", "# GET /closed\nflask.abort(401)"])
    return stack


@pytest.fixture(scope="module")
def proxied_stack() -> Iterator[Stack]:
    """A stack that trusts callers from the addresses of these tests to be proxies."""
    with Stack(TRUSTED_PROXIES="127.9.0.0/16") as stack:
        yield stack.start()


def guess(stack: Stack, source: str, path: str = "/invoke/x", headers: dict[str, str] | None = None) -> None:
    """More wrong passwords than are allowed. nginx waits for nobody, so that a busy machine may miss some."""
    with stack.session(WRONG, source) as session:
        for _ in range(FAILURES + SOME_MORE):
            session.get(stack.url + path, headers=headers, timeout=20)


def calls_at_once(stack: Stack, source: str) -> list[Response]:
    """The answers to calls from there, which come too soon after each other for all to be looked at."""
    with ThreadPoolExecutor(5) as pool:
        return list(pool.map(lambda _: stack.invoke("x", auth=API_USER, source=source), range(5)))


def is_limited(stack: Stack, source: str) -> bool:
    """Whether not all calls at once from there are looked at."""
    return 429 in [answer.status_code for answer in calls_at_once(stack, source)]


@pytest.mark.parametrize(
    "path", ["/", "/process/status", "/jupyter/tree", "/invoke/x", "/apis/served/x", "/mcp", "/static/homepage.css"]
)
def test_many_wrong_passwords_limit_their_address_whatever_they_are_tried_on(serving_stack: Stack, path: str) -> None:
    source = another_address()

    eventually(lambda: guess(serving_stack, source, path) or is_limited(serving_stack, source), 5, "a limit")


def test_few_guesses_a_second_are_looked_at(serving_stack: Stack) -> None:
    source = another_address()
    eventually(lambda: guess(serving_stack, source) or is_limited(serving_stack, source), 5, "a limit")

    answers: Counter[int] = Counter()
    start = time.monotonic()
    with serving_stack.session(WRONG, source) as session:
        while sum(answers.values()) < 1000:
            answers[session.get(f"{serving_stack.url}/invoke/x", timeout=20).status_code] += 1
    took = time.monotonic() - start

    assert set(answers) == {401, 429}
    assert answers[401] <= 20 * took + 1


def test_who_is_not_looked_at_is_told_when_to_come_again(serving_stack: Stack) -> None:
    source = another_address()
    guess(serving_stack, source)

    def refusals() -> list[Response]:
        return [answer for answer in calls_at_once(serving_stack, source) if answer.status_code == 429]

    refusal = eventually(refusals, 5, "a refusal")[0]
    assert refusal.headers["Retry-After"] == "1"
    assert as_json(refusal)["extensions"]["code"] == "too-many-guesses"


def test_other_addresses_and_healthz_notice_nothing(serving_stack: Stack) -> None:
    source = another_address()
    eventually(lambda: guess(serving_stack, source) or is_limited(serving_stack, source), 5, "a limit")

    with serving_stack.session(WRONG, source) as guesser, serving_stack.session(API_USER) as caller:
        for _ in range(100):
            guesser.get(f"{serving_stack.url}/invoke/x", timeout=20)
            assert caller.get(f"{serving_stack.url}/invoke/x", timeout=20).status_code == 200
            assert guesser.get(f"{serving_stack.url}/healthz", timeout=20).status_code == 200


def test_a_browser_that_is_logged_in_is_not_counted(serving_stack: Stack) -> None:
    source = another_address()
    with serving_stack.session(OWNER, source) as browser:
        cookie = browser.get(f"{serving_stack.url}/", timeout=20).headers["Set-Cookie"]
        eventually(lambda: guess(serving_stack, source) or is_limited(serving_stack, source), 5, "a limit")

        answers = [browser.get(f"{serving_stack.url}/process/status", timeout=20).status_code for _ in range(50)]

    assert answers == [200] * 50
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    headers = {"Cookie": "notebook_api_login=" + "x" * 43}
    with serving_stack.session(OWNER, source) as session:
        answers = [
            session.get(f"{serving_stack.url}/invoke/x", headers=headers, timeout=20).status_code for _ in range(50)
        ]
    assert 429 in answers


def test_the_cookie_of_the_login_reaches_no_notebook(serving_stack: Stack) -> None:
    serving_stack.serve(
        "cookies", ["import json", "# GET /cookie\nprint(json.loads(REQUEST)['headers'].get('Cookie'))"]
    )
    with serving_stack.session(OWNER) as browser:
        browser.get(f"{serving_stack.url}/", timeout=20)
        login = browser.cookies["notebook_api_login"]
        assert browser.get(f"{serving_stack.url}/invoke/cookie", timeout=20).text.strip() == "None"
    for cookies, expected in (
        (f"notebook_api_login={login}; a=1", "a=1"),
        (f"a=1; notebook_api_login={login}", "a=1"),
        (f"a=1; notebook_api_login={login}; b=2", "a=1; b=2"),
        (f"notebook_api_login=x; notebook_api_login={login}", "None"),
        (f"Notebook_Api_Login={login}; a=1", "None"),
        ("a=1; b=2", "a=1; b=2"),
    ):
        assert serving_stack.invoke("cookie", headers={"Cookie": cookies}).text.strip() == expected


def test_a_401_that_a_cell_answers_and_a_call_without_a_password_are_no_guesses(serving_stack: Stack) -> None:
    source = another_address()
    for auth, path in ((API_USER, "/invoke/closed"), (None, "/invoke/x")):
        with serving_stack.session(auth, source) as session:
            for _ in range(2 * FAILURES):
                assert session.get(serving_stack.url + path, timeout=20).status_code == 401

    with serving_stack.session(API_USER, source) as session:
        answers = [session.get(f"{serving_stack.url}/invoke/x", timeout=20).status_code for _ in range(50)]
    assert answers == [200] * 50


def test_an_address_that_only_claims_to_be_another_is_limited_all_the_same(serving_stack: Stack) -> None:
    source = another_address()
    with serving_stack.session(WRONG, source) as session:
        for number in range(FAILURES + SOME_MORE):
            session.get(f"{serving_stack.url}/", headers={"X-Forwarded-For": f"198.51.100.{number}"}, timeout=20)

    eventually(lambda: is_limited(serving_stack, source), 5, "a limit")


def test_the_limit_holds_while_the_control_app_starts_anew(proxied_stack: Stack) -> None:
    stack = proxied_stack
    stack.serve("served", ["# GET /x\nprint('x')"])
    source = another_address()
    guess(stack, source)
    eventually(lambda: f"{source} sent {FAILURES} wrong passwords" in stack.log(), 5, "a line in the log")

    stack.kill(stack.process("gunicorn"))

    assert is_limited(stack, source)
    eventually(lambda: stack.get("/process/status").status_code == 200, 20, "a new control app")
    assert is_limited(stack, source)


def test_behind_a_proxy_that_is_trusted_its_callers_are_told_apart(proxied_stack: Stack) -> None:
    stack = proxied_stack
    stack.serve("served", ["import json", "# GET /x\nprint(json.loads(REQUEST)['headers']['X-Forwarded-For'])"])
    proxy = another_address()
    guess(stack, proxy, headers={"X-Forwarded-For": "192.0.2.1, 2001:db8:1:2::3"})  # the last is the proxy's word

    def call(caller: str) -> list[int]:
        headers = {"X-Forwarded-For": caller}
        with stack.session(API_USER, proxy) as session:
            return [session.get(f"{stack.url}/invoke/x", headers=headers, timeout=20).status_code for _ in range(5)]

    eventually(lambda: 429 in call("2001:db8:1:2:ffff::4"), 5, "a limit of the whole network")
    assert call("2001:db8:1:3::3") == [200] * 5
    assert call("192.0.2.1") == [200] * 5
    answer = stack.invoke("x", headers={"X-Forwarded-For": "192.0.2.7"}, source=proxy)
    assert answer.text.strip() == f"192.0.2.7, {proxy}"
