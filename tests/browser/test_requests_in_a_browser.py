"""The request inspector, used as a person uses it, in a real browser against the real stack."""

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.stack import Stack
from tests.support.waiting import eventually

EVIL = "</pre><script>document.title='owned'</script><b id=owned>"
CELLS = [
    "import flask, json, sys",
    "# GET /hello/:name\nprint('hello', json.loads(REQUEST)['path']['name'])",
    "# POST /total\nnumbers = json.loads(REQUEST)['body']['numbers']\nprint('asked', file=sys.stderr)\n"
    "print(json.dumps({'sum': sum(numbers), 'same': [1, 2]}))",
    f"# POST /evil\nprint({EVIL!r}, file=sys.stderr)\n"
    f"flask.Response({EVIL!r}, headers={{'X-Evil': {EVIL!r}}}) if REQUEST.find('raise') < 0 else 1 / 0",
    "# GET /breaks\ndef pieces():\n    yield 'x' * 100_000\n    raise ValueError('in the middle')\n"
    "flask.Response(pieces())",
    "# GET /binary\nflask.Response(bytes(range(256)), content_type='image/png')",
]
FIXED = [*CELLS[:2], CELLS[2].replace("sum(numbers)", "sum(map(int, numbers))"), *CELLS[3:]]


@pytest.fixture
def stack(browser_stack: Stack) -> Stack:
    """The stack, which goes on serving from one test to the next."""
    return browser_stack


@pytest.fixture
def serving(stack: Stack) -> Stack:
    stack.keep_serving("inspected", CELLS)
    return stack


def entries(page: Page) -> Locator:
    return page.locator(".entry")


def open_call(page: Page, stack: Stack, text: str) -> None:
    eventually(lambda: text in stack.get("/process/requests").text)
    page.goto(f"{stack.url}/requests")
    entries(page).filter(has_text=text).first.click()


def test_a_stream_that_broke_off_is_shown_as_failed(page: Page, serving: Stack) -> None:
    with pytest.raises(requests.RequestException):
        serving.invoke("breaks")
    eventually(lambda: "/breaks" in serving.get("/process/requests").text)
    page.goto(f"{serving.url}/requests?failed=1")
    entry = entries(page).filter(has_text="/breaks")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        expect(entry.locator(".code")).to_have_text("200!, broken off")
        assert entry.locator(".code").evaluate("code => code.scrollWidth <= code.clientWidth")
    entry.click()
    expect(page.locator(".state")).to_have_text("200 OK, broken off")
    expect(page.get_by_role("region", name="Traceback")).to_contain_text("in the middle")


def test_a_call_appears_on_two_open_pages_and_opens_to_all_of_it(
    page: Page, context: BrowserContext, serving: Stack
) -> None:
    second = context.new_page()
    second.goto(f"{serving.url}/requests")
    serving.invoke("total", "POST", json={"numbers": [1, "2"]}, headers={"X-Request-Id": "opened"})
    for one in (page, second):
        expect(entries(one).first).to_contain_text("/total")
        expect(entries(one).first).to_contain_text("500")
    entries(page).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("POST /total")
    expect(page.locator("main")).to_contain_text("Request id opened.")
    expect(page.get_by_role("region", name="Traceback")).to_contain_text("TypeError")
    expect(page.get_by_role("region", name="stderr")).to_contain_text("asked")
    body = page.get_by_role("region", name="Request body")
    expect(body).to_have_text('{\n  "numbers": [\n    1,\n    "2"\n  ]\n}', use_inner_text=True)
    expect(page.get_by_role("region", name="Response body")).to_contain_text('"code": "cell-failed"')
    expect(page.locator(".headers").first).to_contain_text("Content-Type")


def test_the_list_is_reached_and_a_call_replayed_by_keyboard_alone(page: Page, serving: Stack) -> None:
    def tab_to(text: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if text in page.evaluate("document.activeElement.textContent"):
                return
        pytest.fail(f"Tab does not reach {text}")

    serving.invoke("hello/keyboard")
    expect(entries(page).first).to_contain_text("/hello/keyboard")
    page.locator("h1").click()
    tab_to("/hello/keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("GET /hello/keyboard")
    tab_to("Replay")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Replayed:")).to_have_text("Replayed: the response is the same.")


@pytest.mark.parametrize("javascript", [True, False])
def test_replay_after_an_edit_shows_both_answers_and_what_differs(
    page: Page, plain_page: Page, serving: Stack, javascript: bool
) -> None:
    tab = page if javascript else plain_page
    headers = {"X-Request-Id": f"edited-{javascript}", "Cookie": "session=masked-away"}
    serving.invoke("total", "POST", json={"numbers": ["1"]}, headers=headers)
    open_call(tab, serving, f"edited-{javascript}")
    serving.serve("inspected", FIXED)
    tab.get_by_role("button", name="Replay").click()
    expect(tab.get_by_role("heading", name="Replayed:")).to_have_text(
        "Replayed: the response differs in its status, headers and body."
    )
    before, now = (tab.get_by_role("region", name=name, exact=True) for name in ("Before", "Now"))
    expect(before).to_contain_text("500 Internal Server Error")
    expect(before.get_by_role("region", name="Before: traceback")).to_contain_text("TypeError")
    expect(now).to_contain_text("200 OK")
    expect(now.locator(".changed code").first).to_contain_text('"sum": 1')
    expect(tab.locator("main")).to_contain_text("Not sent, because the value is masked: Cookie.")
    tab.get_by_role("link", name="Open the replayed request").click()
    expect(tab.locator("main")).to_contain_text("200 OK")
    assert "masked-away" not in tab.content()


def test_a_replay_while_nothing_is_served_says_so(page: Page, serving: Stack) -> None:
    serving.invoke("hello/gone")
    open_call(page, serving, "/hello/gone")
    serving.stop_api()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("alert")).to_contain_text("inspected is not being served. Start it first.")


def test_a_call_leads_to_its_lines_in_the_log(page: Page, serving: Stack) -> None:
    for name in ("mine", "others"):
        serving.invoke("total", "POST", json={"numbers": []}, headers={"X-Request-Id": name})
    open_call(page, serving, "mine")
    page.get_by_role("link", name="Show in log").click()
    expect(page.get_by_label("request id")).to_have_value("mine")
    expect(page.locator("#log-lines")).to_contain_text("[mine] asked")
    expect(page.locator("#log-lines")).not_to_contain_text("[others]")


def test_the_list_is_filtered_as_one_types_and_without_javascript(page: Page, plain_page: Page, serving: Stack) -> None:
    for name in ("apples", "quinces"):
        serving.invoke(f"hello/{name}")
    serving.invoke("nothing/apples")
    page.goto(f"{serving.url}/requests")
    expect(entries(page).filter(has_text="quinces")).to_have_count(1)
    page.get_by_label("Filter requests by").fill("apples")
    expect(entries(page).filter(has_text="quinces")).to_have_count(0)
    expect(entries(page).filter(has_text="/hello/apples")).to_have_count(1)
    page.get_by_label("Failed").check()
    expect(entries(page)).to_have_count(1)
    expect(entries(page)).to_contain_text("404")

    plain_page.goto(f"{serving.url}/requests")
    plain_page.get_by_label("Filter requests by").fill("get quinces")
    plain_page.get_by_role("button", name="Filter").click()
    expect(entries(plain_page)).to_have_count(1)
    plain_page.get_by_label("Filter requests by").fill("no call is like this")
    plain_page.get_by_role("button", name="Filter").click()
    expect(plain_page.locator("#requests")).to_contain_text("None of the last")


def test_the_list_is_limited_to_a_project_as_soon_as_there_are_several(page: Page, serving: Stack) -> None:
    serving.invoke("hello/mine")
    page.goto(f"{serving.url}/requests")
    expect(entries(page).first).to_contain_text("/hello/mine")
    serving.write("b/deep", ["# GET /other\nprint()"])
    assert serving.start_api("b/deep").status_code == 200
    serving.get("/apis/b.deep/other")
    expect(entries(page).first.locator(".target")).to_have_text("b/deep /other")
    page.get_by_label("Project").select_option("inspected")
    expect(entries(page).filter(has_text="/other")).to_have_count(0)
    serving.invoke("hello/later")
    expect(entries(page).first.locator(".target")).to_have_text("/hello/later")
    entries(page).first.click()
    expect(page.locator(".detail").first).to_contain_text("Project inspected.")
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("link", name="Open the replayed request").click()
    page.get_by_role("link", name="All requests").click()
    expect(page.get_by_label("Project")).to_have_value("inspected")
    expect(entries(page).filter(has_text="/other")).to_have_count(0)
    serving.stop_api("b/deep")


def test_what_callers_and_cells_say_is_text_and_never_markup(page: Page, serving: Stack) -> None:
    headers = {"X-Evil": EVIL, "X-Request-Id": "evil"}
    serving.invoke(f"evil?q={EVIL}", "POST", data=EVIL, headers=headers)
    serving.invoke("evil", "POST", data=f"raise {EVIL}", headers={**headers, "X-Request-Id": "evil-raises"})
    serving.invoke(f"nothing/{EVIL}", headers={**headers, "X-Request-Id": "evil-path"})
    for request_id in ("evil", "evil-raises", "evil-path"):
        page.goto(f"{serving.url}/requests")
        expect(entries(page).filter(has_text="evil").first).to_be_visible()
        assert page.locator("#owned, img").count() == 0
        open_call(page, serving, request_id)
        expect(page.locator("main")).to_contain_text(EVIL)
        page.get_by_role("button", name="Replay").click()
        expect(page.get_by_role("heading", name="Replayed:")).to_be_visible()
        assert page.locator("#owned, img").count() == 0
        assert "owned" not in page.title().partition("?")[0].partition("/nothing")[0]


def test_a_body_that_is_no_text_is_told_as_such(page: Page, serving: Stack) -> None:
    serving.invoke("binary")
    open_call(page, serving, "/binary")
    expect(page.locator("main")).to_contain_text("256 B of binary data (image/png), not shown.")


def test_a_cut_body_says_so_and_is_not_replayed(page: Page, serving: Stack) -> None:
    serving.invoke("total", "POST", data=b"x" * 5_000_000, headers={"X-Request-Id": "large"})
    open_call(page, serving, "large")
    expect(page.locator("main")).to_contain_text("Truncated: only the beginning of 5,000,000 bytes is stored.")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("alert")).to_contain_text("only the beginning is stored: it cannot be sent again")


def test_a_call_that_is_no_longer_kept_is_told_in_words(page: Page, serving: Stack) -> None:
    answer = page.goto(f"{serving.url}/requests/abc-1")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("main")).to_contain_text("This request is no longer stored")


def test_a_focused_call_stays_focused_while_others_come(page: Page, serving: Stack) -> None:
    serving.invoke("hello/first")
    entry = entries(page).filter(has_text="/hello/first").first
    entry.focus()
    serving.invoke("hello/second")
    expect(entries(page).first).to_contain_text("/hello/second")
    expect(entry).to_be_focused()


def test_the_log_does_not_move_while_calls_come(page: Page, serving: Stack) -> None:
    expect(page.locator("#status .state")).to_have_text("Serving")
    expect(page.locator(".endpoint")).to_have_count(len(CELLS) - 1)
    serving.invoke("hello/0")
    expect(entries(page).first).to_contain_text("/hello/0")
    before = page.locator("#log").bounding_box()
    for number in range(1, 9):
        serving.invoke(f"hello/{number}")
    expect(entries(page).first).to_contain_text("/hello/8")
    assert page.locator("#log").bounding_box() == before


def test_axe_finds_nothing_serious_and_no_width_scrolls_sideways(page: Page, serving: Stack) -> None:
    long = {"numbers": ["x" * 300], "word " * 40: [{"deep": list(range(5))}]}
    serving.invoke(f"total?{'q' * 400}", "POST", json=long, headers={"X-Request-Id": "wide", "X-Long": "y" * 300})
    serving.invoke("hello/axe")

    def look(where: str) -> None:
        for scheme in ("light", "dark"):
            for width in (1280, 390):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.set_viewport_size({"width": width, "height": 860})
                result = Axe().run(page).response["violations"]
                bad = [
                    f"{one['id']}: {[node['html'] for node in one['nodes']]}"
                    for one in result
                    if one["impact"] in ("serious", "critical")
                ]
                assert bad == [], f"{where}, {scheme}, {width}"
                assert page.evaluate("document.scrollingElement.scrollWidth") <= width, f"{where}, {width}"

    expect(entries(page).first).to_be_visible()
    look("homepage")
    page.goto(f"{serving.url}/requests")
    look("requests")
    open_call(page, serving, "wide")
    look("request")
    serving.serve("inspected", FIXED)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("heading", name="Replayed:")).to_be_visible()
    look("replayed")
    page.goto(f"{serving.url}/requests/none")
    look("gone")
