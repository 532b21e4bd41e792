"""A browser that is logged in, while somebody guesses passwords from the same address."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.stack import OWNER, Stack, another_address
from tests.support.waiting import eventually

HERE = "127.0.0.1"
NOISY = ["import sys", "# GET /say\nprint('heard of it', file=sys.stderr)"]


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """A stack of these tests alone, as guesses limit the address that all tests call from."""
    with Stack(SERVE="noisy") as stack:
        stack.write("noisy", NOISY)
        yield stack.start()


@pytest.fixture
def logged_in(context: BrowserContext, own_stack: Stack) -> Page:
    page = context.new_page()
    page.goto(own_stack.url)
    expect(page.locator("#status .state")).to_have_text("Serving")
    return page


def codes_of(stack: Stack, password: str) -> set[int]:
    """What callers from the browser's address get, who have no cookie and call at once."""

    def call(_: int) -> int:
        return stack.get("/process/status", auth=(OWNER[0], password), source=HERE).status_code

    with ThreadPoolExecutor(5) as pool:
        return set(pool.map(call, range(20)))


def test_the_browser_keeps_its_login_where_no_page_can_read_it(logged_in: Page, own_stack: Stack) -> None:
    [cookie] = logged_in.context.cookies(own_stack.url)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("notebook_api_login", True, "Strict")
    assert OWNER[1] not in cookie["value"]
    assert logged_in.evaluate("document.cookie") == ""


def test_the_browser_goes_on_while_its_address_is_limited(logged_in: Page, own_stack: Stack) -> None:
    eventually(lambda: 429 in codes_of(own_stack, "a-guess"), 15, "a limit for the address")
    assert 429 in codes_of(own_stack, OWNER[1]), "the right password alone does not help"
    codes: list[int] = []
    logged_in.context.on("response", lambda response: codes.append(response.status))

    logged_in.reload()
    expect(logged_in.locator("#status .state")).to_have_text("Serving")
    expect(logged_in.locator(".endpoint")).to_have_count(1)
    assert own_stack.invoke("say", source=another_address()).status_code == 200
    expect(logged_in.locator("#log-lines")).to_contain_text("heard of it")

    jupyter = logged_in.context.new_page()
    jupyter.goto(f"{own_stack.url}/jupyter/tree")
    expect(jupyter.get_by_role("main").get_by_text("noisy")).to_be_visible()
    assert len(codes) > 40, "more than an address may have that is limited"
    assert 429 not in codes
    assert 429 in codes_of(own_stack, OWNER[1]), "it is limited still"
