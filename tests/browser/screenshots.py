"""`python -m tests.browser.screenshots [folder]`: the homepage's states, as pictures.

Into a folder that is given: every state in light and dark, 1280 and 390 pixels wide, to be looked at.
Otherwise those that the docs show, into docs/screenshots/.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import DEADLINE, LOGIN, chromium, wait_for_scripts
from tests.support.stack import ROOT, Stack

WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")

DOCS = ROOT / "docs" / "screenshots"
IN_DOCS = {
    "stopped-light-1280",
    "serving-light-1280",
    "serving-dark-1280",
    "serving-light-390",
    "serving-dark-390",
    "restart-failed-light-1280",
    "request-light-1280",
    "replayed-light-1280",
}

BROKEN = [
    "import json\n\nRATES = {'EUR': 1.0, 'USD': 1.08}",
    "def convert(amount, to):\n    return round(amount * RATES[to], 2)\n\n"
    "# a price that everybody asks for\nDEFAULT = convert(100, 'GBP')",
    "# GET /price/:currency\nprint(DEFAULT)",
]
TOTALS = [
    "import json, sys\n\ndef total(numbers):\n    return {'sum': sum(numbers), 'count': len(numbers)}",
    "# POST /total\nnumbers = json.loads(REQUEST)['body']['numbers']\n"
    "print('asked for', len(numbers), 'numbers', file=sys.stderr)\nprint(json.dumps(total(numbers)))",
]
OF_A_CALLER = {"X-Hasura-Admin-Secret": "hidden", "User-Agent": "hasura-graphql-engine/v2.36"}
SLOW = ["import time\ntime.sleep(30)", "# GET /late\nprint('late')"]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    folder.mkdir(parents=True, exist_ok=True)
    nobody_else = {"API_USER": "", "API_PASSWORD": ""}
    with Stack(**nobody_else) as stack, sync_playwright() as playwright, chromium(playwright) as browser:
        shutil.copytree(ROOT / "notebook" / "hello_world", stack.notebook_dir / "hello_world")
        stack.write("prices", BROKEN)
        stack.write("slow_model", SLOW)
        stack.start()
        take_all(stack, Gallery(stack, browser, folder))


def take_all(stack: Stack, gallery: "Gallery") -> None:
    gallery.take("stopped")
    stack.start_api("prices")
    gallery.take("failed")
    stack.stop_api()
    stack.start_api("hello_world")
    stack.invoke("hello/Ada?lang=fr")
    stack.invoke("sum", "POST", json={"numbers": [3, 4, 5]})
    gallery.take("serving", before=call_it)
    stack.serve("totals", TOTALS)
    for numbers in ([3, 4, 5], [], ["3", 4]):
        stack.invoke("total?currency=EUR&token=abc", "POST", json={"numbers": numbers}, headers=OF_A_CALLER)
    stack.invoke("nothing/here")
    gallery.take("requests", before=lambda page: open_requests(stack, page))
    gallery.take("request", before=open_request)
    stack.serve("totals", [TOTALS[0].replace("sum(numbers)", "sum(map(int, numbers))"), *TOTALS[1:]])
    gallery.take("replayed", before=replay)
    stack.start_api("hello_world")
    gallery.take("several")
    stack.stop_api()
    stack.serve("prices", [BROKEN[0], BROKEN[2].replace("DEFAULT", "RATES")])
    stack.write("prices", BROKEN)
    stack.restart_api("prices")
    gallery.take("restart-failed")
    stack.stop_api()
    gallery.take("starting", before=start_slowly)


def call_it(page: Page) -> None:
    page.get_by_label("Password").fill("open sesame")
    page.get_by_role("button", name="Test API").click()
    expect(page.locator("#response")).to_contain_text("200 OK")


def open_requests(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/requests")
    expect(page.locator(".entry.is-error").first).to_be_visible()


def open_request(page: Page) -> None:
    """The last call that failed in its cell."""
    page.get_by_role("link", name="All requests").click()
    page.locator(".entry", has_text="500").first.click()
    expect(page.get_by_role("heading", name="Traceback")).to_be_visible()


def replay(page: Page) -> None:
    open_request(page)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("heading", name="Replayed:")).to_be_visible()


def start_slowly(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_label("Project", exact=True).select_option("slow_model")
    wait_for_scripts(page)
    page.get_by_role("button", name="Start API", exact=True).click()
    expect(page.locator("#status .state")).to_have_text("Starting")


class Gallery:
    """Takes one state in every scheme and width."""

    def __init__(self, stack: Stack, browser: Browser, folder: Path) -> None:
        self.stack, self.browser, self.folder = stack, browser, folder

    def take(self, state: str, before: Callable[[Page], None] = lambda page: None) -> None:
        for scheme in SCHEMES:
            for width in WIDTHS:
                name = f"{state}-{scheme}-{width}"
                if self.folder != DOCS or name in IN_DOCS:
                    self.picture(name, scheme, width, before)

    def picture(self, name: str, scheme: Literal["light", "dark"], width: int, before: Callable[[Page], None]) -> None:
        context = self.browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 860},
            http_credentials=LOGIN,
            reduced_motion="reduce",
            locale="en-GB",
        )
        page = context.new_page()
        page.set_default_timeout(DEADLINE)
        page.goto(self.stack.url)
        wait_for_scripts(page)
        before(page)
        page.screenshot(path=self.folder / f"{name}.png", full_page=True)
        context.close()
        if before is start_slowly:
            self.stack.stop_api()


if __name__ == "__main__":
    main()
