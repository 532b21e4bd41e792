"""One stack and one browser for all browser tests; each test starts with nothing served."""

import functools
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from tests.browser.chromium import DEADLINE, LOGIN, chromium, wait_for_scripts
from tests.support.stack import ROOT, Stack

expect.set_options(timeout=DEADLINE)
SHIPPED = "hello_world"


@pytest.fixture(scope="package", autouse=True)
def pages_have_run_their_scripts() -> Iterator[None]:
    """Nobody is as quick as Playwright is after `load`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("goto", "reload"):
            patch.setattr(Page, name, and_run_scripts(getattr(Page, name)))
        yield


def and_run_scripts(navigate: Any) -> Any:
    @functools.wraps(navigate)
    def until_they_have_run(page: Page, *arguments: Any, **more: Any) -> Any:
        try:
            response = navigate(page, *arguments, **more)
        except Error as error:
            # Chromium gives up what it loads when the network interface of another test's container comes or goes.
            if "ERR_NETWORK_CHANGED" not in error.message:
                raise
            response = navigate(page, *arguments, **more)
        wait_for_scripts(page)
        return response

    return until_they_have_run


@pytest.fixture(scope="package")
def browser_stack() -> Iterator[Stack]:
    with Stack() as stack:
        shutil.copytree(ROOT / "notebook" / SHIPPED, stack.notebook_dir / SHIPPED)
        yield stack.start()


@pytest.fixture
def stack(browser_stack: Stack) -> Iterator[Stack]:
    """The stack, with nothing served, no project but hello_world, and no restart at a save."""
    assert browser_stack.stop_api().status_code == 200
    assert browser_stack.process_call("reload?on=0").status_code == 200
    yield browser_stack
    for project in browser_stack.notebook_dir.iterdir():
        if project.is_dir() and project.name != SHIPPED and not project.name.startswith("."):
            shutil.rmtree(project)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ended with these tests: while Playwright is there no other test can run an event loop."""
    with sync_playwright() as playwright, chromium(playwright) as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(http_credentials=LOGIN, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(DEADLINE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, stack: Stack) -> Page:
    """The homepage, freshly opened."""
    page = context.new_page()
    page.goto(stack.url)
    return page


@pytest.fixture
def plain_page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """The homepage in a browser that runs no JavaScript."""
    context = browser.new_context(http_credentials=LOGIN, java_script_enabled=False)
    context.set_default_timeout(DEADLINE)
    page = context.new_page()
    page.goto(stack.url)
    yield page
    context.close()
