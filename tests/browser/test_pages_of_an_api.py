"""Pages that the API answers, with a script in them that somebody else wrote, opened by the logged-in owner."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.stack import Stack

TYPES = {"html": "text/html", "svg": "image/svg+xml", "xml": "application/xml"}
PAGES = [
    f"import json\nTYPES = {TYPES}",
    "# GET /page/:kind\nprint(json.loads(REQUEST)['args']['name'][0])",
    "# ResponseInfo GET /page/:kind\n"
    "print(json.dumps({'headers': {'Content-Type': TYPES[json.loads(REQUEST)['path']['kind']]}}))",
]
# "no" is what a script learns that may not look.
ATTACK = """
var found = {};
const answer = (address, how) => fetch(address, how).then((one) => `${one.status} ${one.type}`, () => "no");
const look = (what) => { try { return String(what()); } catch { return "no"; } };
const seen = (source) => new Promise((done) => {
  const image = new Image();
  image.onload = image.onerror = () => done("asked for");
  image.src = source;
});
const attacks = {
  jupyter: () => answer("/jupyter/api/contents"),
  jupyterWithLogin: () => answer("/jupyter/api/contents", { credentials: "include" }),
  status: () => answer("/process/status"),
  cookie: () => look(() => document.cookie),
  storage: () => look(() => localStorage.length),
  stop: () => answer("/process/stop", { method: "POST" }),
  stopUnseen: () => answer("/process/stop", { method: "POST", mode: "no-cors", credentials: "include" }),
  image: () => seen("/process/stop?image"),
};
(async () => {
  for (const name in attacks) found[name] = await attacks[name]();
  found.ended = true;
})();
"""
WRAPPED = {
    "html": "<!doctype html><title>x</title><h1>Hello</h1><script>{}</script>",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><text y="20">Hello</text><script><![CDATA[{}]]></script></svg>',
    "xml": '<page>Hello<script xmlns="http://www.w3.org/1999/xhtml"><![CDATA[{}]]></script></page>',
}
NOTHING = {"jupyter": "no", "jupyterWithLogin": "no", "status": "no", "cookie": "no", "storage": "no"}
FORM = '<!doctype html><title>x</title><h1>Hello</h1><form method="post" action="/process/stop" target="_blank">'
# On plain HTTP a browser says less to a host whose name it does not trust.
HOSTS = ["127.0.0.1", "notebooks.test"]


@pytest.fixture
def stack(browser_stack: Stack) -> Stack:
    """The stack, which goes on serving from one test to the next."""
    return browser_stack


@pytest.fixture(scope="module")
def trusting() -> Iterator[Stack]:
    """A stack that lets its pages act."""
    with Stack(TRUST_PAGES="1") as stack:
        yield stack.start()


def open_page(context: BrowserContext, stack: Stack, host: str, kind: str, text: str) -> Page:
    """The API's page, in a browser that has logged in on the homepage."""
    page = context.new_page()
    page.goto(f"http://{host}:{stack.port}/")
    expect(page).to_have_title("pages: serving · Notebook API")
    page.goto(f"http://{host}:{stack.port}/invoke/page/{kind}?name={quote(text)}")
    expect(page.get_by_text("Hello")).to_be_visible()
    return page


def attack(context: BrowserContext, stack: Stack, host: str, kind: str) -> dict[str, str]:
    """What the script learns."""
    page = open_page(context, stack, host, kind, WRAPPED[kind].format(ATTACK))
    page.wait_for_function("found.ended")
    result: dict[str, str] = page.evaluate("found")
    return result


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", TYPES)
def test_its_script_reads_nothing_and_changes_nothing(
    context: BrowserContext, stack: Stack, kind: str, host: str
) -> None:
    stack.keep_serving("pages", PAGES)
    before = stack.status()
    result = attack(context, stack, host, kind)
    assert result.items() >= NOTHING.items()
    assert result["image"] == "asked for"
    assert result["stop"] == "no"
    assert stack.status() == before


@pytest.mark.parametrize("kind", TYPES)
def test_with_trust_pages_the_same_script_may_do_all_of_it(context: BrowserContext, trusting: Stack, kind: str) -> None:
    trusting.serve("pages", PAGES)
    result = attack(context, trusting, "127.0.0.1", kind)
    assert {result[name] for name in ("jupyter", "jupyterWithLogin", "status", "stop")} == {"200 basic"}
    assert trusting.status()["state"] == "stopped"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("step", ["open('/process/stop?window')", "document.forms[0].submit()"])
def test_a_window_that_it_opens_changes_nothing(context: BrowserContext, stack: Stack, step: str, host: str) -> None:
    stack.keep_serving("pages", PAGES)
    before = stack.status()
    page = open_page(context, stack, host, "html", FORM)
    with context.expect_page() as window:
        page.evaluate(f"{step}; 0")
    expect(window.value.locator("body")).to_contain_text("another web site")
    assert stack.status() == before


def test_with_trust_pages_its_form_stops_the_api(context: BrowserContext, trusting: Stack) -> None:
    trusting.serve("pages", PAGES)
    page = open_page(context, trusting, "127.0.0.1", "html", FORM)
    with context.expect_page() as window:
        page.evaluate("document.forms[0].submit()")
    expect(window.value.locator("body")).to_contain_text("The API is stopped.")
    assert trusting.status()["state"] == "stopped"


def test_the_window_of_jupyter_that_it_opens_is_closed_to_it(context: BrowserContext, stack: Stack) -> None:
    stack.keep_serving("pages", PAGES)
    page = open_page(context, stack, "127.0.0.1", "html", FORM)
    with context.expect_page() as window:
        page.evaluate("window.jupyter = open('/jupyter/api/contents'); 0")
    window.value.wait_for_load_state()
    assert page.evaluate("(() => { try { return jupyter.document.body.innerText; } catch { return 'no'; } })()") == "no"
