"""`/docs` in a real browser: the viewer shows the served notebook, and calls it."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser import axe
from tests.browser.chromium import DEADLINE
from tests.support.notebooks import Markdown
from tests.support.stack import API_USER, Stack

SHOP = [
    Markdown("# The shop\n\nTea, by weight."),
    "import json\nfrom flask import abort",
    Markdown("## A price\n\nIn *euros*."),
    'REQUEST = json.dumps({"path": {"product": "tea"}, "args": {"pieces": ["3"]}})',
    "# GET /price/:product\n"
    'request = json.loads(REQUEST)\nprint(request["path"]["product"], 2 * int(request["args"]["pieces"][0]))',
    "# GET /none\nabort(404, 'no such product')",
]


@pytest.fixture
def stack(browser_stack: Stack) -> Stack:
    """The stack, which goes on serving from one test to the next."""
    return browser_stack


@pytest.fixture
def docs(context: BrowserContext, stack: Stack) -> Page:
    """The page, while the shop is served."""
    stack.keep_serving("shop", SHOP)
    page = context.new_page()
    page.goto(f"{stack.url}/docs")
    return page


def endpoint(page: Page, name: str) -> Locator:
    return page.locator(".opblock").filter(has=page.locator(f'[data-path="{name}"]'))


def open_page(page: Page, name: str) -> Locator:
    """The endpoint, with what it takes and answers."""
    result = endpoint(page, name)
    result.locator(".opblock-summary-control").click()
    expect(result.get_by_role("button", name="Execute")).to_be_visible()
    return result


def answer_of(result: Locator) -> Locator:
    return result.locator(".live-responses-table")


def test_it_shows_what_the_notebook_says_of_itself_and_of_its_endpoints(docs: Page) -> None:
    expect(docs).to_have_title("shop: documentation · Notebook API")
    expect(docs.get_by_role("heading", name="The shop")).to_be_visible()
    price = open_page(docs, "/price/{product}")
    expect(price).to_contain_text("A price")
    expect(price).to_contain_text("In euros.")
    expect(price.get_by_role("row", name="product").get_by_role("textbox")).to_have_value("tea")
    expect(price.get_by_role("row", name="pieces").get_by_role("textbox")).to_have_value("3")


def test_execute_calls_the_api_with_the_browsers_own_login(docs: Page, stack: Stack) -> None:
    price = open_page(docs, "/price/{product}")
    price.get_by_role("row", name="product").get_by_role("textbox").fill("green tea")
    with docs.expect_response(re.compile("/invoke/price/")) as response_info:
        price.get_by_role("button", name="Execute").click()
    assert response_info.value.url == f"{stack.url}/invoke/price/green%20tea?pieces=3"
    expect(answer_of(price)).to_contain_text("200")
    expect(answer_of(price)).to_contain_text("green tea 6")
    expect(price.locator(".curl")).to_contain_text(f"curl -u '{API_USER[0]}:PASSWORD'")


def test_a_body_is_sent_with_what_a_person_makes_of_its_example(
    docs: Page, context: BrowserContext, stack: Stack
) -> None:
    assert stack.restart_api("hello_world").status_code == 200
    docs.reload()
    total = open_page(docs, "/sum")
    body = total.get_by_role("textbox")
    expect(body).to_have_value(re.compile(r'"numbers": \[\s+3,\s+4,\s+5\s+\]'))
    body.fill('{"numbers": [40, 2]}')
    total.get_by_role("button", name="Execute").click()
    expect(answer_of(total)).to_contain_text("201")
    expect(answer_of(total)).to_contain_text('"sum": 42')


def test_the_address_leads_back_to_the_endpoint_that_was_opened(docs: Page, context: BrowserContext) -> None:
    open_page(docs, "/none")
    expect(docs).to_have_url(re.compile("#.*get_none"))
    again = context.new_page()
    again.goto(docs.url)
    expect(endpoint(again, "/none").get_by_role("button", name="Execute")).to_be_visible()


def test_an_error_is_shown_as_the_api_gives_it(docs: Page) -> None:
    missing = open_page(docs, "/none")
    missing.get_by_role("button", name="Execute").click()
    expect(answer_of(missing)).to_contain_text("404")
    expect(answer_of(missing)).to_contain_text('"message": "no such product"')


def test_a_stop_meanwhile_is_shown_as_the_answer(docs: Page, stack: Stack) -> None:
    missing = open_page(docs, "/none")
    stack.stop_api()
    missing.get_by_role("button", name="Execute").click()
    expect(answer_of(missing)).to_contain_text("503")
    expect(answer_of(missing)).to_contain_text("No notebook is being served.")


def test_while_nothing_is_served_it_leads_to_the_homepage_and_back(page: Page, stack: Stack) -> None:
    stack.stop_api()
    page.goto(f"{stack.url}/docs")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is served")
    page.get_by_role("link", name="homepage").click()
    page.get_by_label("Project", exact=True).select_option("hello_world")
    page.get_by_role("button", name="Start API", exact=True).click()
    page.get_by_role("link", name="Documentation").click()
    expect(endpoint(page, "/hello_world")).to_be_visible()


def test_each_api_is_documented_and_called_at_its_own_address(docs: Page, stack: Stack) -> None:
    stack.write("the bank", ["# GET /balance\nprint(42)"])
    stack.start_api("the bank")
    docs.reload()
    docs.get_by_role("link", name="the bank").click()
    expect(docs).to_have_title("the bank: documentation · Notebook API")
    balance = open_page(docs, "/balance")
    balance.get_by_role("button", name="Execute").click()
    expect(answer_of(balance)).to_contain_text("42")
    expect(balance.locator(".curl")).to_contain_text("/apis/the%20bank/balance")
    axe.check(docs)
    docs.get_by_role("link", name="shop").click()
    expect(endpoint(docs, "/none")).to_be_visible()
    stack.process_call("stop", "the bank")
    response = docs.goto(f"{stack.url}/docs?notebook=the bank")
    assert response
    assert response.status == 200
    expect(docs.get_by_role("heading", level=1)).to_have_text("the bank is not served")
    axe.check(docs)


def test_without_javascript_it_names_the_document(plain_page: Page, stack: Stack) -> None:
    stack.restart_api("hello_world")
    plain_page.goto(f"{stack.url}/docs")
    link = plain_page.locator("noscript a, p a", has_text="openapi.json")
    expect(link).to_have_attribute("href", "/invoke/_api/spec/openapi.json")
    expect(link).to_be_visible()


def test_what_notebooks_say_in_markup_does_nothing(context: BrowserContext, stack: Stack) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script> harmless"
    stack.serve("evil", [Markdown(evil), "x = 1", Markdown(f"{evil}\n\n{evil}"), "# GET /x\nprint(1)"])
    page = context.new_page()
    page.goto(f"{stack.url}/docs")
    expect(open_page(page, "/x").locator(".opblock-description")).to_contain_text("harmless")
    expect(page.locator(".info")).to_contain_text("harmless")
    assert page.locator("[onerror], #viewer script").count() == 0
    assert "owned" not in page.title()


def test_a_picture_of_another_server_is_not_asked_for(context: BrowserContext, stack: Stack) -> None:
    stack.serve("gallery", [Markdown("# A\n\n![a](https://pictures.example/a.png)"), "x = 1", "# GET /x\nprint(1)"])
    page = context.new_page()
    refusal: list[str | None] = []
    page.on("requestfailed", lambda request: refusal.append(request.failure))
    with page.expect_event("requestfailed", lambda request: "pictures.example" in request.url):
        page.goto(f"{stack.url}/docs")
    assert refusal == ["csp"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_no_other_server_for_anything_and_breaks_no_content_policy(
    context: BrowserContext, stack: Stack, scheme: str
) -> None:
    stack.restart_api("hello_world")
    page = context.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    urls: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{stack.url}/docs")
    for path in ("/hello_world", "/hello/{name}", "/sum"):
        result = open_page(page, path)
        result.get_by_role("button", name="Execute").click()
        expect(answer_of(result)).to_contain_text(re.compile("20[01]"))
    assert [url for url in urls if not url.startswith((f"{stack.url}/", "data:"))] == []
    assert complaints == []


def test_axe_finds_nothing_and_no_width_scrolls_sideways(docs: Page) -> None:
    price = open_page(docs, "/price/{product}")
    price.get_by_role("button", name="Execute").click()
    expect(answer_of(price)).to_contain_text("200")
    axe.check(docs)


def test_axe_finds_nothing_while_nothing_is_served(page: Page, stack: Stack) -> None:
    stack.stop_api()
    page.goto(f"{stack.url}/docs")
    axe.check(page)


def test_an_endpoint_is_called_by_keyboard_alone(docs: Page) -> None:
    def tab_to(text: str) -> None:
        for _ in range(40):
            docs.keyboard.press("Tab")
            if text in docs.evaluate("document.activeElement.textContent"):
                return
        pytest.fail(f"Tab does not reach {text}")

    expect(endpoint(docs, "/none")).to_be_visible()
    tab_to("/none")
    docs.keyboard.press("Enter")
    tab_to("Execute")
    assert docs.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    docs.keyboard.press("Enter")
    expect(answer_of(endpoint(docs, "/none"))).to_contain_text("no such product")


def test_the_user_of_the_api_sees_the_document_and_not_the_page(browser: Browser, stack: Stack) -> None:
    stack.restart_api("hello_world")
    context = browser.new_context(http_credentials={"username": API_USER[0], "password": API_USER[1]})
    page = context.new_page()
    page.set_default_timeout(DEADLINE)
    document = page.goto(f"{stack.url}/invoke/_api/spec/openapi.json")
    assert document
    assert document.status == 200
    refusal = context.request.get(f"{stack.url}/docs")
    assert refusal.status == 401
    context.close()
