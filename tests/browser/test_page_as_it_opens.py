"""The homepage while it opens and renews itself: what it waits for, whether anything moves, how long it gets."""

import base64
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import DEADLINE
from tests.support.flood import CELLS, flood
from tests.support.stack import OWNER, Stack
from tests.support.waiting import eventually

NOISY = ["import json, sys", "# GET /say/:word\nprint(json.loads(REQUEST)['path']['word'], file=sys.stderr)"]
WATCH_FOR_MOVES = """
window.moves = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    // The calls that are listed make room for newer ones: all at once, or in turns where the page is slow.
    if (sources.length && sources.every(({ node }) => node?.parentElement?.closest("ol.keep-selection"))) continue;
    window.moves.push([value, ...sources.map(({ node }) => node?.parentElement?.outerHTML.slice(0, 200))]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def caching_context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """A browser that has logged in already, and so keeps files as browsers do: Playwright's own login forbids it."""
    login = base64.b64encode(":".join(OWNER).encode()).decode()
    context = browser.new_context(
        extra_http_headers={"Authorization": f"Basic {login}"}, viewport={"width": 1280, "height": 860}
    )
    context.set_default_timeout(DEADLINE)
    yield context
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("state", ["stopped", "serving"])
def test_nothing_moves_while_the_page_opens_and_renews_itself(
    caching_context: BrowserContext, stack: Stack, width: int, state: str
) -> None:
    stack.serve("noisy", NOISY)
    stack.invoke("say/before")
    if state == "stopped":
        stack.stop_api()
    page = caching_context.new_page()
    page.set_viewport_size({"width": width, "height": 2400})  # only what is seen counts
    page.add_init_script(WATCH_FOR_MOVES)
    page.goto(stack.url)
    if state == "serving":
        expect(page.locator("#status time")).to_contain_text("just now")
        for number in range(30):
            stack.invoke(f"say/number-{number}")
        expect(page.locator("#log-lines")).to_contain_text("number-29")
        since = page.locator("#status time").get_attribute("datetime")
        stack.restart_api()
        expect(page.locator("#status time")).not_to_have_attribute("datetime", since or "")
    page.get_by_label("request id").fill("nobody wrote this")
    expect(page.locator("#log-state")).to_have_text("No line contains this text.")
    # Two frames later, all that has moved is told.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
    assert page.evaluate("moves") == []


def test_a_page_that_is_opened_again_asks_the_server_for_itself_alone(
    caching_context: BrowserContext, stack: Stack
) -> None:
    caching_context.new_page().goto(stack.url)
    page = caching_context.new_page()
    page.goto(stack.url, wait_until="load")
    transfers = page.evaluate(
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/static/') && one.transferSize)"
        ".map((one) => one.name)"
    )
    assert transfers == []


def test_the_first_paint_waits_for_style_sheets_only(caching_context: BrowserContext, stack: Stack) -> None:
    page = caching_context.new_page()
    page.goto(stack.url, wait_until="load")
    blocking = page.evaluate(
        "performance.getEntriesByType('resource').filter((one) => one.renderBlockingStatus === 'blocking')"
        ".map((one) => new URL(one.name).pathname)"
    )
    assert blocking
    assert [path for path in blocking if not path.endswith(".css")] == []


def test_no_script_runs_before_the_first_paint(caching_context: BrowserContext, stack: Stack) -> None:
    page = caching_context.new_page()
    page.goto(stack.url)
    paint, scripts = page.evaluate(
        "[performance.getEntriesByType('paint')[0].startTime, performance.getEntriesByType('resource')"
        ".filter((one) => one.name.includes('.js') && !one.name.includes('/start.js')).map((one) => one.startTime)]"
    )
    assert len(scripts) >= 5
    assert min(scripts) >= paint


def test_what_is_typed_before_the_scripts_run_filters_the_log(caching_context: BrowserContext, stack: Stack) -> None:
    stack.serve("noisy", NOISY)
    stack.invoke("say/early-bird")
    stack.invoke("say/late-riser")
    page = caching_context.new_page()
    # Scripts come once something was typed.
    page.route("**/static/start.js*", lambda route: (page.get_by_label("request id").fill("early"), route.continue_()))
    page.goto(stack.url)
    expect(page.locator("#log-lines")).to_contain_text("early-bird")
    expect(page.locator("#log-lines")).not_to_contain_text("late-riser")


def test_a_long_list_of_projects_scrolls_in_itself(page: Page, stack: Stack) -> None:
    for number in range(60):
        stack.write(f"team/project_{number}", ["x = 1"])
    page.reload()
    expect(page.get_by_label("Project", exact=True).locator("option")).to_have_count(61)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 860})
        whole = page.evaluate("document.scrollingElement.scrollHeight")
        assert whole <= page.evaluate("Math.ceil(document.body.getBoundingClientRect().height)"), width


def test_after_its_project_was_deleted_restart_serves_no_other_in_its_place(page: Page, stack: Stack) -> None:
    stack.write("aaa_first", ["# GET /x\nprint('another')"])
    stack.serve("doomed", ["# GET /x\nprint('as before')"])
    page.reload()
    expect(page.get_by_label("Project", exact=True)).to_have_value("doomed")
    shutil.rmtree(stack.notebook_dir / "doomed")
    expect(page.locator("#status")).to_contain_text("Its notebook no longer exists.")
    expect(page.get_by_label("Project", exact=True)).to_have_value("doomed")

    page.get_by_role("button", name="Restart API", exact=True).click()

    expect(page.locator("#notice")).to_contain_text("There is no project 'doomed'.")
    assert stack.invoke("x").text == "as before\n"
    page.reload()
    expect(page.get_by_label("Project", exact=True)).to_have_value("doomed")
    stack.write("doomed", ["# GET /x\nprint('back again')"])
    expect(page.get_by_role("link", name="Open notebook")).to_be_visible()
    page.get_by_role("button", name="Restart API", exact=True).click()
    eventually(lambda: stack.invoke("x").text == "back again\n", 15, "the project that came back")


def test_what_was_chosen_and_typed_outlives_a_reload_but_for_the_password(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    stack.write("aaa", ["# GET /a\nprint()"])
    stack.serve("noisy", NOISY)
    stack.invoke("say/apples")
    stack.invoke("say/pears")
    page.reload()
    page.get_by_label("Method").select_option("PUT")
    page.get_by_label("Path after /invoke").fill("/half/typ")
    page.get_by_label("Body").fill('{"half": ')
    page.get_by_label("request id").fill("pears")
    page.get_by_label("Password").fill("open sesame")

    page.reload()

    expect(page.get_by_label("Method")).to_have_value("PUT")
    expect(page.get_by_label("Path after /invoke")).to_have_value("/half/typ")
    expect(page.get_by_label("Body")).to_have_value('{"half": ')
    expect(page.locator("#log-lines")).not_to_contain_text("apples")
    expect(page.locator("#log-lines")).to_contain_text("pears")
    expect(page.get_by_label("Password")).to_have_value("")
    since = page.locator("#status time").get_attribute("datetime")
    stack.restart_api()
    expect(page.locator("#status time")).not_to_have_attribute("datetime", since or "")  # it has renewed itself
    expect(page.get_by_label("Path after /invoke")).to_have_value("/half/typ")

    page.get_by_label("Project", exact=True).select_option("aaa")
    expect(page.get_by_label("Path after /apis/aaa")).to_have_value("/hello_world")
    expect(page.get_by_label("Body")).to_have_value("")
    page.get_by_label("Project", exact=True).select_option("noisy")
    expect(page.get_by_label("Path after /invoke")).to_have_value("/half/typ")
    expect(page.locator("#log-lines")).to_contain_text("apples")

    fresh = context.new_page()
    fresh.goto(stack.url)
    expect(fresh.get_by_label("Project", exact=True)).to_have_value("noisy")
    expect(fresh.get_by_label("Body")).to_have_value("")


def test_of_a_log_of_a_hundred_megabytes_the_page_shows_the_end_and_follows(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    stack.serve("flood", [*CELLS, "# POST /long\nsys.stderr.write(('y' * 60_000 + '\\n') * 15)"])
    page.reload()
    lines = page.locator("#log-lines")
    for name, write in (("flood", lambda: flood(stack)), ("long", lambda: stack.invoke("long", "POST"))):
        write()
        stack.invoke(f"say/after-{name}")
        expect(lines).to_contain_text(f"after-{name}")
        # Little enough to be laid out again and again as more comes: with all lines it took the page seconds.
        assert page.evaluate("document.getElementById('log-lines').textContent.length") <= 210_000
    second = context.new_page()
    second.goto(stack.url)
    stack.invoke("say/once-more")
    for one in (page, second):
        expect(one.locator("#log-lines")).to_contain_text("once-more")
