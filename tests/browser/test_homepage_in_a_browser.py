"""The homepage, used as a person uses it, in a real browser against the real stack."""

import json
import re
import shutil
from base64 import b64decode
from pathlib import Path
from urllib.parse import unquote_plus, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from tests.browser import axe
from tests.browser.chromium import wait_for_scripts
from tests.support.packages import make_wheel
from tests.support.stack import Stack

# Its start does not end by itself: that is what is looked at, and given up.
UNFINISHED = ["import time\ntime.sleep(600)", "# GET /slow\nprint()"]
BROKEN = ["rates = {'EUR': 1}", "# what a pound is worth\nprint(rates['GBP'])", "# GET /price\nprint(rates)"]

NOISY = ["import json, sys", "# GET /say/:word\nprint(json.loads(REQUEST)['path']['word'], file=sys.stderr)"]


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def choose(page: Page, project: str) -> None:
    """With scripts, that opens another project's page."""
    select = page.get_by_label("Project", exact=True)
    if select.input_value() == project or not page.evaluate("matchMedia('(scripting: enabled)').matches"):
        select.select_option(project)
        return
    with page.expect_navigation():
        select.select_option(project)
    wait_for_scripts(page)


def expect_state(page: Page, word: str) -> None:
    expect(page.locator("#status .state")).to_have_text(word)


def start(page: Page, project: str) -> None:
    choose(page, project)
    button(page, "Start API").click()
    expect_state(page, "Serving")


def answer_of(page: Page) -> Locator:
    return page.locator("#response")


def test_a_person_starts_tests_restarts_and_stops_an_api_by_clicking(page: Page, stack: Stack) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is served")

    start(page, "hello_world")
    expect(page.get_by_role("heading", level=1)).to_have_text("hello_world")
    expect(page).to_have_title("hello_world: serving · Notebook API")
    for endpoint in ("GET /hello_world", "POST /sum", "GET /hello/:name"):
        expect(page.get_by_role("heading", name=endpoint, exact=True)).to_be_visible()

    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("200 OK")
    expect(answer_of(page)).to_contain_text('{"hello": "world"}')
    expect(answer_of(page)).to_contain_text("ms")

    stack.write("shop", ["# GET /before\nprint('before')"])
    stack.start_api("shop")
    choose(page, "shop")
    expect(page.locator(".endpoint h3")).to_have_text(["GET /before"])
    stack.write("shop", ["# GET /after\nprint('after')"])
    button(page, "Restart API").click()
    expect(page.locator(".endpoint h3")).to_have_text(["GET /after"])

    button(page, "Stop API").click()
    expect_state(page, "Stopped")
    expect(page.locator(".endpoint")).to_have_count(0)
    expect(page.get_by_label("Project", exact=True)).to_have_value("shop")
    assert stack.get("/apis/shop/after").status_code == 503
    assert stack.invoke("hello_world").status_code == 200


def test_the_first_try_of_an_endpoint_is_the_notebooks_example(page: Page, stack: Stack) -> None:
    start(page, "hello_world")
    page.get_by_role("link", name="Test GET /hello/:name").click()
    expect(page.get_by_label("Path after /invoke")).to_be_focused()
    page.keyboard.press("Enter")
    expect(answer_of(page)).to_contain_text("Hello, Ada!")

    page.get_by_role("link", name="Test POST /sum").click()
    expect(page.get_by_label("Body")).to_have_value('{"numbers": [3, 4, 5]}')
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("201")
    expect(answer_of(page)).to_contain_text('{"sum":12,"count":3}')

    page.get_by_role("link", name="Test GET /hello_world").click()
    expect(page.get_by_label("Body")).to_have_value("")


def test_an_endpoint_without_an_example_is_tested_with_a_parameter(page: Page, stack: Stack) -> None:
    stack.write("plain", ["import json", "# GET /plain/:name\nprint('plain', json.loads(REQUEST)['path']['name'])"])
    page.reload()
    start(page, "plain")
    page.get_by_role("link", name="Test GET /plain/:name").click()
    page.keyboard.type("Ada")  # the parameter is selected, so it is replaced
    expect(page.get_by_label("Path after /invoke")).to_have_value("/plain/Ada")
    page.keyboard.press("Enter")
    expect(answer_of(page)).to_contain_text("plain Ada")


def test_a_call_that_fails_shows_its_status_and_its_traceback_in_the_log(page: Page, stack: Stack) -> None:
    stack.write("faulty", ["# GET /faulty\nraise ValueError('no such row')"])
    page.reload()
    start(page, "faulty")
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("500")
    expect(page.locator("#log")).to_contain_text("ValueError: no such row")


def test_launch_notebook_opens_the_file_tree_in_a_new_tab(page: Page, context: BrowserContext) -> None:
    with context.expect_page() as open_page:
        page.get_by_role("link", name="Launch Notebook").click()
    expect(open_page.value.get_by_text("hello_world").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_cell_written_and_saved_in_jupyter_answers_after_a_restart(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    stack.write("draft", ["# GET /draft\nprint('first words')"])
    page.reload()
    start(page, "draft")
    with context.expect_page() as open_page:
        page.get_by_role("link", name="Open notebook").click()
    jupyter = open_page.value
    jupyter.locator(".jp-CodeCell .cm-content").first.click()
    jupyter.keyboard.press("Control+A")
    jupyter.keyboard.insert_text("# GET /fresh\nprint('typed in Jupyter')")
    with jupyter.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        jupyter.keyboard.press("Control+S")
    button(page, "Restart API").click()
    expect(page.locator(".endpoint h3")).to_have_text(["GET /fresh"])
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("typed in Jupyter")


def test_a_start_that_fails_shows_the_cell_the_line_and_the_traceback(page: Page, stack: Stack) -> None:
    stack.write("broken", BROKEN)
    page.reload()
    choose(page, "broken")
    button(page, "Start API").click()
    expect_state(page, "Failed")
    failure = page.locator(".failure")
    expect(failure.get_by_role("heading")).to_have_text("broken does not run: it failed in cell 2, line 2.")
    expect(failure.locator(".exception")).to_have_text("KeyError: 'GBP'")
    expect(failure.locator(".culprit")).to_have_text("print(rates['GBP'])")
    expect(failure.get_by_role("region", name="Traceback")).to_contain_text("KeyError")

    stack.write("broken", ["rates = {'GBP': 1.17}", *BROKEN[1:]])
    start(page, "broken")
    expect(failure).to_have_count(0)


def test_a_restart_that_fails_leaves_the_old_version_up_and_says_why(page: Page, stack: Stack) -> None:
    stack.write("broken", ["# GET /price\nprint('as before')"])
    page.reload()
    start(page, "broken")
    stack.write("broken", BROKEN)
    button(page, "Restart API").click()
    expect(page.locator(".failure")).to_contain_text("broken is still served as before.")
    expect_state(page, "Serving")
    assert stack.invoke("price").text == "as before\n"


def test_a_package_that_a_start_has_missed_is_added_by_clicking(page: Page, stack: Stack) -> None:
    stack.write("polite", ["import greeting", "# GET /greeting\nprint(greeting.text)"])
    make_wheel(stack.notebook_dir / "polite", "greeting", "text = 'Hello from a package.'", "1.0")
    (stack.notebook_dir / "polite" / "requirements.txt").write_text("--no-index\n--find-links .\n")
    page.reload()
    choose(page, "polite")
    button(page, "Start API").click()
    expect(page.get_by_label("Package")).to_have_value("greeting")
    axe.check(page)
    page.get_by_label("Package").fill("greeting<2")
    stack.write("appears", [])  # an update of the page
    expect(page.get_by_label("Project", exact=True)).to_contain_text("appears", timeout=10_000)
    expect(page.get_by_label("Package")).to_have_value("greeting<2")

    button(page, "Add package and start again").click()

    expect_state(page, "Installing")
    expect(page.get_by_role("heading", level=1)).to_have_text("polite")
    expect(page.locator(".state")).to_have_text("Serving", timeout=60_000)
    assert stack.invoke("greeting").text == "Hello from a package.\n"


def test_a_start_can_be_given_up(page: Page, stack: Stack) -> None:
    stack.write("slow", UNFINISHED)
    page.reload()
    choose(page, "slow")
    button(page, "Start API").click()
    expect_state(page, "Starting")
    expect(page.get_by_role("heading", level=1)).to_have_text("slow")
    button(page, "Stop API").click()
    expect_state(page, "Stopped")


def test_a_project_that_was_deleted_meanwhile_is_told_on_the_page(page: Page, stack: Stack) -> None:
    stack.write("gone", ["# GET /gone\nprint()"])
    page.reload()
    choose(page, "gone")
    shutil.rmtree(stack.notebook_dir / "gone")
    expect(page.locator("#status")).to_contain_text("There is no project of this name.")
    expect(page.get_by_label("Project", exact=True)).to_have_value("gone")
    expect(button(page, "Start API")).to_be_disabled()


def test_the_page_without_javascript_does_the_journey_with_plain_forms(plain_page: Page, stack: Stack) -> None:
    page = plain_page
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    start(page, "hello_world")
    assert page.url == f"{stack.url}/?notebook=hello_world"  # a reload does not send the form again

    page.get_by_role("link", name="Test GET /hello/:name").click()
    expect(page.get_by_label("Path after /invoke")).to_have_value("/hello/Ada")
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("200 OK")
    expect(answer_of(page)).to_contain_text("Hello, Ada!")

    button(page, "Restart API").click()
    expect_state(page, "Serving")
    button(page, "Stop API").click()
    expect_state(page, "Stopped")
    expect(page.get_by_label("Project", exact=True)).to_have_value("hello_world")


def test_without_javascript_a_failing_start_is_a_page_with_its_status_code(plain_page: Page, stack: Stack) -> None:
    stack.write("broken", BROKEN)
    plain_page.reload()
    choose(plain_page, "broken")
    with plain_page.expect_response(lambda answer: answer.request.method == "POST") as response_info:
        button(plain_page, "Start API").click()
    assert response_info.value.status == 422
    expect(plain_page.locator(".failure")).to_contain_text("cell 2, line 2")
    expect(plain_page.get_by_label("Project", exact=True)).to_have_value("broken")


@pytest.mark.parametrize(
    ("user", "password"), [("hasura", "correct-horse"), ("Jürgen", "пароль ☂ 密码"), ("a", 'quo"te: \\')]
)
def test_the_header_for_hasura_is_made_in_the_browser_and_sent_nowhere(page: Page, user: str, password: str) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    header = page.locator("#basic-header").inner_text()
    assert header.startswith("Authorization: Basic ")
    assert b64decode(header.split()[-1]).decode() == f"{user}:{password}"

    page.get_by_label("Password").press("Enter")
    with page.expect_response(re.compile("seen=")):
        pass  # the page has renewed itself, with what was typed in it
    expect(page.get_by_label("Password")).to_have_value(password)
    assert {(request.method, urlsplit(request.url).path) for request in requests} <= {
        ("GET", "/"),
        ("GET", "/static/icon.svg"),
        ("GET", "/process/logs"),
        ("GET", "/requests"),
    }
    assert all(password not in unquote_plus(request.url) for request in requests)


def test_the_page_asks_no_other_server_for_anything_and_breaks_no_content_policy(
    context: BrowserContext, stack: Stack
) -> None:
    page = context.new_page()
    urls: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(stack.url)
    start(page, "hello_world")
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("200 OK")
    button(page, "Stop API").click()
    expect_state(page, "Stopped")
    assert [url for url in urls if not url.startswith(f"{stack.url}/")] == []
    assert complaints == []


def test_several_apis_have_a_page_each(page: Page, stack: Stack) -> None:
    stack.write("shop of Ada", ["import sys", "# GET /price\nprint('sold', file=sys.stderr)\nprint('7 €')"])
    page.reload()
    start(page, "hello_world")
    page.get_by_label("Path after /invoke").fill("/half/typ")
    choose(page, "shop of Ada")
    expect(page).to_have_url(f"{stack.url}/?notebook=shop+of+Ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("shop of Ada")
    expect(page.get_by_label("Project", exact=True)).to_be_focused()
    expect(page.locator("#status")).to_contain_text("Once started, it answers at /apis/shop%20of%20Ada.")
    button(page, "Start API").click()
    expect_state(page, "Serving")
    expect(page.locator(".curl")).to_have_text(f"curl -u webhook:PASSWORD {stack.url}/apis/shop%20of%20Ada/price")
    expect(page.get_by_label("Path after /apis/shop%20of%20Ada")).to_have_value("/price")
    stack.invoke("hello_world")
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("7 €")
    expect(page.locator("#log-lines")).to_contain_text("sold")
    expect(page.locator("#requests .entry")).to_have_count(1)

    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("hello_world")
    expect(page.get_by_label("Project", exact=True)).to_have_value("hello_world")
    expect(page.get_by_label("Path after /invoke")).to_have_value("/half/typ")
    expect(page.locator("#log-lines")).not_to_contain_text("sold")

    page.get_by_role("button", name="Make default the API of shop of Ada").click()
    expect(page.get_by_label("Path after /apis/hello_world")).to_have_value("/half/typ")
    expect_state(page, "Serving")
    assert stack.invoke("price").text == "7 €\n"
    stack.process_call("stop", "shop of Ada")  # by somebody else
    expect(page.locator("#apis li")).to_have_count(1)
    stack.start_api("shop of Ada")
    expect(page.locator("#apis li .state")).to_have_text(["Serving", "Serving"])
    button(page, "Stop all").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is served")
    expect(page.locator("#apis")).to_be_hidden()


def test_without_javascript_another_project_is_shown_by_a_button(plain_page: Page, stack: Stack) -> None:
    page = plain_page
    stack.write("shop", ["# GET /price\nprint('7 €')"])
    stack.start_api("hello_world")
    page.reload()
    choose(page, "shop")
    button(page, "Show this project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop")
    button(page, "Start API").click()
    expect_state(page, "Serving")
    button(page, "Test API").click()
    expect(answer_of(page)).to_contain_text("7 €")
    page.get_by_role("button", name="Make default the API of shop").click()
    expect(page.locator(".curl")).to_have_text(f"curl -u webhook:PASSWORD {stack.url}/invoke/price")
    choose(page, "hello_world")  # and not shown: the buttons are those of the shop
    button(page, "Stop API").click()
    expect_state(page, "Stopped")
    expect(page.get_by_role("heading", level=1)).to_have_text("shop")
    assert stack.get("/apis/hello_world/hello_world").status_code == 200


STATES = ["stopped", "starting", "serving", "failed", "kept", "gone", "refused", "several"]


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_and_no_width_scrolls_sideways(page: Page, stack: Stack, state: str) -> None:
    stack.write("broken", BROKEN)
    stack.write("slow", UNFINISHED)
    if state in ("serving", "several"):
        stack.start_api("hello_world")
    if state in ("kept", "several"):
        name = f"team/{'a' * 30}" if state == "several" else "broken"
        stack.serve(name, NOISY)
    if state in ("failed", "kept", "several"):
        stack.write("broken", BROKEN)
        stack.restart_api("broken")
    if state in ("gone", "refused"):
        stack.serve("gone", NOISY)
        shutil.rmtree(stack.notebook_dir / "gone")
    page.reload()
    if state == "serving":
        button(page, "Test API").click()
        expect(answer_of(page)).to_contain_text("200 OK")
    if state == "starting":
        choose(page, "slow")
        button(page, "Start API").click()
        expect_state(page, "Starting")
    if state in ("gone", "refused"):
        expect(page.locator("#status")).to_contain_text("no longer exists")
    if state == "refused":
        button(page, "Restart API").click()
        expect(page.locator("#notice")).to_contain_text("There is no project")
    axe.check(page)


@pytest.mark.parametrize("state", ["stopped", "serving", "several"])
def test_tab_reaches_every_control_and_shows_where_it_is(page: Page, stack: Stack, state: str) -> None:
    stack.write("broken", BROKEN)
    if state != "stopped":
        stack.start_api("hello_world")
    if state == "several":
        stack.serve("noisy", NOISY)
        stack.restart_api("broken")
    page.reload()
    controls = page.evaluate(
        "[...document.querySelectorAll('a, button, input, select, textarea, summary, .scrolls')]"
        ".filter((one) => one.checkVisibility() && one.type !== 'hidden').length"
    )
    elements: set[str] = set()
    for _ in range(controls):
        page.keyboard.press("Tab")
        elements.add(page.evaluate("document.activeElement.outerHTML"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert len(elements) == controls


def test_the_api_is_started_and_stopped_by_keyboard_alone(page: Page, stack: Stack) -> None:
    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == name:
                return
        pytest.fail(f"Tab does not reach {name}")

    tab_to("Start API")
    page.keyboard.press("Enter")
    expect_state(page, "Serving")
    expect(button(page, "Start API")).to_be_focused()
    tab_to("Stop API")
    page.keyboard.press("Space")
    expect_state(page, "Stopped")


def test_a_page_that_renews_itself_leaves_alone_what_a_person_types_selects_and_reads(page: Page, stack: Stack) -> None:
    stack.write("noisy", NOISY)
    page.reload()
    start(page, "noisy")
    for number in range(60):
        stack.invoke(f"say/number-{number}")
    tail = page.locator(".tail")
    expect(tail).to_contain_text("number-59")
    page.get_by_label("Body").fill("half a sent")
    page.get_by_label("Path after /invoke").fill("/something/else")
    page.get_by_label("Path after /invoke").evaluate("field => field.setSelectionRange(1, 10)")
    tail.evaluate("log => { log.scrollTop = -200; }")
    read = tail.inner_text()

    stack.stop_api()
    expect_state(page, "Stopped")
    expect(page.get_by_label("Path after /invoke")).to_have_value("/something/else")
    expect(page.get_by_label("Path after /invoke")).to_be_focused()
    assert page.evaluate("[document.activeElement.selectionStart, document.activeElement.selectionEnd]") == [
        1,
        10,
    ]
    expect(page.get_by_label("Body")).to_have_value("half a sent")
    assert tail.evaluate("log => log.scrollTop") == -200
    assert tail.inner_text() == read

    # Back at its end, the log follows again.
    stack.serve("noisy", NOISY)
    stack.invoke("say/more")
    tail.evaluate("log => { log.scrollTop = 0; }")
    expect(tail).to_contain_text("more")


def test_the_log_comes_live_is_paused_filtered_and_copied_by_keyboard(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    stack.write("noisy", NOISY)
    page.reload()
    start(page, "noisy")
    lines = page.locator("#log-lines")
    pause = page.get_by_role("button", name="Pause")
    stack.invoke("say/apples", headers={"X-Request-Id": "first-call"})
    expect(lines).to_contain_text("[first-call] apples")

    pause.focus()
    page.keyboard.press("Enter")
    expect(pause).to_have_attribute("aria-pressed", "true")
    stack.invoke("say/pears", headers={"X-Request-Id": "second-call"})
    expect(page.locator("#log-state")).to_have_text("Paused. New lines: 1.")
    expect(lines).not_to_contain_text("pears")
    page.keyboard.press("Enter")
    expect(lines).to_contain_text("[second-call] pears")
    expect(page.locator("#log-state")).to_have_text("")

    page.keyboard.press("Shift+Tab")
    page.keyboard.type("APPLE")
    expect(lines).to_have_text("[first-call] apples\n")
    page.get_by_label("request id").fill("second-call")
    expect(lines).to_have_text("[second-call] pears\n")
    stack.invoke("say/plums", headers={"X-Request-Id": "second-call"})
    expect(lines).to_contain_text("plums")
    stack.invoke("say/grapes", headers={"X-Request-Id": "third-call"})
    page.get_by_role("button", name="Copy the displayed lines").press("Enter")
    expect(page.locator("#announcement")).to_have_text("Copied.")
    clipboard = page.evaluate("navigator.clipboard.readText()")
    assert clipboard.strip() == "[second-call] pears\n[second-call] plums"
    page.get_by_label("request id").fill("nobody wrote this")
    expect(page.locator("#log-state")).to_have_text("No line contains this text.")


def test_an_answer_leads_to_its_lines_in_the_log(page: Page, stack: Stack) -> None:
    stack.write("noisy", NOISY)
    page.reload()
    start(page, "noisy")
    stack.invoke("say/another")
    page.get_by_label("Path after /invoke").fill("/say/mine")
    button(page, "Test API").click()
    button(page, "Show in log").click()
    expect(page.locator("#log-lines")).to_contain_text("mine")
    expect(page.locator("#log-lines")).not_to_contain_text("another")
    expect(page.get_by_label("request id")).to_be_focused()


def test_a_selection_outlives_a_renewal_of_the_page(page: Page, stack: Stack) -> None:
    stack.write("noisy", NOISY)
    page.reload()
    start(page, "noisy")
    page.locator(".curl").first.evaluate("line => getSelection().selectAllChildren(line)")
    selection = page.evaluate("getSelection().toString()")
    assert selection.startswith("curl ")
    stack.restart_api()
    stack.invoke("say/renewed")
    expect(page.locator(".tail")).to_contain_text("renewed")
    assert page.evaluate("getSelection().toString()") == selection


def test_a_project_appears_in_the_list_and_the_choice_stays(page: Page, stack: Stack) -> None:
    stack.write("aaa", ["# GET /a\nprint()"])
    expect(page.get_by_label("Project", exact=True).locator("option")).to_have_text(["aaa", "hello_world"])
    choose(page, "aaa")
    stack.write("bbb", ["# GET /b\nprint()"])
    expect(page.get_by_label("Project", exact=True).locator("option")).to_have_text(["aaa", "bbb", "hello_world"])
    expect(page.get_by_label("Project", exact=True)).to_have_value("aaa")


def test_what_is_done_elsewhere_shows_on_an_open_page(page: Page, stack: Stack) -> None:
    stack.start_api("hello_world")
    expect_state(page, "Serving")
    expect(page.get_by_label("Path after /invoke")).to_have_value("/hello_world")
    expect(page.get_by_role("status").filter(has_text="hello_world: serving.")).to_have_count(1)


def test_the_copied_curl_line_is_the_shown_one(page: Page, context: BrowserContext, stack: Stack) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    start(page, "hello_world")
    page.get_by_role("button", name="Copy the curl command for GET /hello_world").click()
    expect(page.locator("#announcement")).to_have_text("Copied.")
    clipboard = page.evaluate("navigator.clipboard.readText()")
    assert clipboard == f"curl -u webhook:PASSWORD {stack.url}/invoke/hello_world"


def test_what_notebooks_say_is_text_and_never_markup(page: Page, stack: Stack) -> None:
    name = "<img src=x onerror=document.title='owned'>"
    evil = "</pre><script>document.title='owned'</script><b id=owned>"
    stack.write(name, [f"print({json.dumps(evil)})\nraise ValueError({json.dumps(evil)})", "# GET /x\nprint()"])
    page.reload()
    choose(page, name)
    button(page, "Start API").click()
    expect_state(page, "Failed")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".exception")).to_contain_text(evil)
    expect(page.locator(".culprit")).to_contain_text(evil)
    expect(page.locator("#log")).to_contain_text(evil)
    assert page.locator("#owned, img").count() == 0
    assert "owned" not in page.title().removeprefix(name)


def test_an_answer_that_is_markup_is_shown_as_text(page: Page, stack: Stack) -> None:
    evil = "<b id=owned>hello</b><script>document.title='owned'</script>"
    stack.write("markup", [f"# GET /markup\nprint({json.dumps(evil)})"])
    page.reload()
    start(page, "markup")
    button(page, "Test API").click()
    expect(answer_of(page).locator("pre")).to_contain_text(evil)
    assert page.locator("#owned").count() == 0


def test_a_page_that_loses_the_server_says_so_and_recovers(page: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()


def test_a_restart_that_fails_while_two_pages_are_open_shows_on_both(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    stack.serve("broken", ["# GET /price\nprint()"])
    second = context.new_page()
    for one in (page, second):
        one.goto(stack.url)
    stack.write("broken", BROKEN)
    stack.restart_api("broken")
    for one in (page, second):
        expect(one.locator(".failure")).to_contain_text("it failed in cell 2, line 2.")
        expect_state(one, "Serving")
        one.reload()
        expect(one.locator(".failure")).to_contain_text("broken is still served as before.")


def test_the_switch_is_turned_on_one_page_and_seen_on_all(page: Page, context: BrowserContext, stack: Stack) -> None:
    stack.write("edited", ["# GET /edited\nprint(1)"])
    second = context.new_page()
    second.goto(f"{stack.url}/?notebook=edited")
    page.reload()
    start(page, "edited")
    switch = page.get_by_role("switch", name="Restart at each save")
    expect(switch).not_to_be_checked()
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).to_be_checked()
    expect(switch).to_be_focused()
    expect(second.get_by_role("switch")).to_be_checked()
    page.reload()
    expect(switch).to_be_checked()

    stack.write("edited", ["# GET /edited\nprint(1)", "# GET /added\nprint(2)"])
    for one in (page, second):
        expect(one.locator(".endpoint h3")).to_have_text(["GET /edited", "GET /added"])
    stack.write("edited", BROKEN)
    for one in (page, second):
        expect(one.locator(".failure")).to_contain_text("it failed in cell 2, line 2.")
        expect_state(one, "Serving")
    switch.click()
    expect(second.get_by_role("switch")).not_to_be_checked()


def test_without_javascript_the_switch_is_a_button_of_a_form(plain_page: Page) -> None:
    switch = plain_page.get_by_role("switch")
    switch.click()
    expect(switch).to_be_checked()
    switch.click()
    expect(switch).not_to_be_checked()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_project_is_made_from_a_template_downloaded_and_uploaded_again(
    page: Page, plain_page: Page, stack: Stack, tmp_path: Path, javascript: bool
) -> None:
    tab = page if javascript else plain_page
    button(tab, "Create project").click()
    expect(tab.get_by_label("Project", exact=True)).to_have_value("my_api")
    with tab.expect_download() as download_info:
        tab.get_by_role("link", name="Download my_api as a zip").click()
    assert download_info.value.suggested_filename == "my_api.zip"
    download_info.value.save_as(tmp_path / "again.zip")

    tab.get_by_label("Zip file of a project").set_input_files(tmp_path / "again.zip")
    button(tab, "Upload project").click()
    expect(tab.get_by_label("Project", exact=True)).to_have_value("again")
    button(tab, "Start API").click()
    expect_state(tab, "Serving")
    expect(tab.get_by_role("heading", level=1)).to_have_text("again")
    assert stack.invoke("hello_world").text == '{"hello": "world"}\n'

    tab.get_by_label("Zip file of a project").set_input_files(tmp_path / "again.zip")
    button(tab, "Upload project").click()
    expect(tab.locator("#notice")).to_contain_text("There is something named again already.")
    (tmp_path / "broken.zip").write_text("no zip")
    tab.get_by_label("Zip file of a project").set_input_files(tmp_path / "broken.zip")
    button(tab, "Upload project").click()
    expect(tab.locator("#notice")).to_contain_text("The file is no zip archive.")
