"""Pages of other web sites in the browser of somebody who is logged in; and that person, led here by a link."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import axe
from tests.browser.other_site import OtherSite
from tests.support.stack import Stack
from tests.support.waiting import eventually

# The stack's host and the other site's. A browser trusts 127.0.0.1 and localhost, and says there on plain HTTP, too,
# which site a request comes from; to the other names it says nothing.
PAIRS = [
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", "localhost"),
    ("notebooks.test", "notebooks.test"),
    ("notebooks.test", "other.test"),
]
CHANGES = ["/process/stop", "/process/restart", "/process/restart?notebook=another", "/process/reload?on=1"]
FORMS = [*CHANGES, "/invoke/count", "/", "/process/new?template=hello_world&name=planted"]
REFUSAL = re.compile("another (web )?site")


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[1]} attacks {pair[0]}")
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    result: tuple[str, str] = request.param
    return result


@pytest.fixture
def other_site() -> Iterator[OtherSite]:
    with OtherSite() as site:
        yield site


@pytest.fixture
def stack(browser_stack: Stack) -> Stack:
    """The stack, which goes on serving from one test to the next."""
    return browser_stack


@pytest.fixture
def calls(stack: Stack) -> Path:
    """A file with a line for each call that reached the cells of the notebook that is served."""
    calls = stack.home / "calls"
    calls.write_text("")
    note = f"with open({str(calls)!r}, 'a') as file:\n    file.write('call\\n')"
    stack.write("another", ["# GET /x\nprint('x')"])
    stack.keep_serving("counting", ["x = 1", f"# POST /count\n{note}", "# GET /page\nprint('The page of the API')"])
    return calls


class Visit:
    """The owner, logged in on the homepage, opens a page of the other site, which is about the stack at `home`."""

    def __init__(self, context: BrowserContext, stack: Stack, pair: tuple[str, str], site: OtherSite) -> None:
        self.home = f"http://{pair[0]}:{stack.port}"
        self.address = f"http://{pair[1]}:{site.port}/"
        self._site = site
        self.page = context.new_page()
        self.page.goto(self.home)
        expect(self.page).to_have_title("counting: serving · Notebook API")

    def open(self, html: str) -> Page:
        self._site.pages["/"] = f"<!doctype html><title>Other site</title>{html}"
        self.page.goto(self.address)
        expect(self.page).to_have_title("Other site")
        return self.page


class Answers:
    """The codes of the answers that a page gets, also of those that Chromium hides from it, and so from Playwright."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._codes: list[tuple[str, int]] = []
        self._addresses: dict[str, str] = {}
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.responseReceivedExtraInfo", self._on_response)
        session.send("Network.enable")

    def _on_request(self, event: dict[str, Any]) -> None:
        self._addresses[event["requestId"]] = event["request"]["url"]

    def _on_response(self, event: dict[str, Any]) -> None:
        self._codes.append((event["requestId"], event["statusCode"]))

    def of(self, beginning: str) -> list[int]:
        """Those for addresses that begin so."""
        self._page.evaluate("0")  # only while Playwright is asked for something does it hear
        return [code for request, code in self._codes if self._addresses.get(request, "").startswith(beginning)]


@pytest.fixture
def visit(context: BrowserContext, stack: Stack, pair: tuple[str, str], other_site: OtherSite, calls: Path) -> Visit:
    return Visit(context, stack, pair, other_site)


def test_what_its_page_loads_changes_nothing(visit: Visit, stack: Stack) -> None:
    before = stack.status()
    answers = Answers(visit.page)
    tags = ['<img src="{}">', '<script src="{}"></script>', '<link rel="stylesheet" href="{}">', '<iframe src="{}">']
    frames = "".join(f"<p>{tag.format(visit.home + path)}</p></iframe>" for path in CHANGES for tag in tags)
    visit.open(frames)
    # With the password each time: the headless shell sends it for what is within a page of another site too, which
    # Chromium with a window does not.
    refusals = len(CHANGES) * len(tags) * [403]
    eventually(lambda: answers.of(f"{visit.home}/process/") == refusals, 15, "a response to each")
    assert stack.status() == before


def test_a_form_that_it_sends_changes_nothing_and_reaches_no_cell(visit: Visit, stack: Stack, calls: Path) -> None:
    before = stack.status()
    for path in FORMS:
        page = visit.open(f'<form method="post" action="{visit.home}{path}"><input name="do" value="stop"></form>')
        page.evaluate("document.forms[0].submit()")
        expect(page.locator("body")).to_contain_text(REFUSAL)
    assert stack.status() == before
    assert not (stack.notebook_dir / "planted").exists()
    assert calls.read_text() == ""


def test_a_script_of_it_sends_nothing_to_a_cell(visit: Visit, calls: Path) -> None:
    page = visit.open("")
    for kind in ("text/plain", "application/json"):
        how = f"{{ method: 'POST', credentials: 'include', body: '1', headers: {{ 'Content-Type': '{kind}' }} }}"
        assert page.evaluate(f"fetch('{visit.home}/invoke/count', {how}).then((one) => one.status, () => 'no')") == "no"
    page.evaluate(f"fetch('{visit.home}/invoke/count', {{ method: 'POST', mode: 'no-cors', credentials: 'include' }})")
    assert calls.read_text() == ""


def test_a_page_of_the_api_itself_reaches_the_cell(visit: Visit, calls: Path) -> None:
    visit.page.goto(f"{visit.home}/docs")
    assert visit.page.evaluate("fetch('/invoke/count', { method: 'POST' }).then((one) => one.status)") == 200
    assert calls.read_text() == "call\n"


def test_a_person_who_follows_a_link_gets_the_page_of_the_api(visit: Visit) -> None:
    page = visit.open(f'<a href="{visit.home}/invoke/page">A page</a>')
    page.get_by_role("link").click()
    expect(page.locator("body")).to_have_text("The page of the API")


def test_a_person_who_follows_a_link_to_a_change_is_asked_first(visit: Visit, stack: Stack) -> None:
    before = stack.status()
    page = visit.open(f'<a href="{visit.home}/process/stop?why=x">Win a prize</a>')
    page.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop all APIs?")
    expect(page.get_by_role("main")).to_contain_text("/process/stop?why=x")
    assert stack.status() == before
    page.get_by_role("button").click()
    expect(page.locator("body")).to_contain_text("The API is stopped.")
    assert stack.status()["state"] == "stopped"


@pytest.mark.parametrize(
    ("address", "heading", "text"),
    [
        ("start?notebook=counting", "Start the API?", "counting will be served"),
        ("start", "Start the API?", "The project that was the default API last will be served"),
        ("restart?notebook=another", "Restart the API?", "another will be served"),
        (f"restart?notebook={'long' * 60}", "Restart the API?", "is lost"),
        ("stop", "Stop all APIs?", "Requests to all of them will be rejected"),
        ("stop?notebook=counting", "Stop the API?", "Requests to counting will be rejected"),
        ("reload?on=1", "Restart at each save?", "each time"),
        ("reload?on=0", "Stop restarting at each save?", "until you restart it"),
    ],
)
def test_the_question_says_what_will_happen(
    context: BrowserContext, stack: Stack, other_site: OtherSite, calls: Path, address: str, heading: str, text: str
) -> None:
    visit = Visit(context, stack, PAIRS[0], other_site)
    page = visit.open(f'<a href="{visit.home}/process/{address}">A link</a>')
    page.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.get_by_role("main")).to_contain_text(text)
    expect(page.get_by_role("main")).to_contain_text(f"/process/{address}")
    expect(page.get_by_role("button")).to_have_count(1)
    if "long" in address:  # of pages that differ in their words alone
        axe.check(page)


def test_the_question_is_shown_in_no_frame(visit: Visit) -> None:
    page = visit.open(f'<iframe name="inside" src="{visit.home}/process/stop"></iframe>')
    page.wait_for_load_state()
    frame = page.frame("inside")
    assert frame is not None
    assert "Stop" not in frame.locator("body").inner_text()
