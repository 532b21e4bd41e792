"""Debian's Chromium without a window, driven by Playwright, which would download one of its own otherwise."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, HttpCredentials, Page, Playwright

from tests.support.stack import OWNER

PROGRAM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium-headless-shell"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # So that it asks nobody but the page's server for anything.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Names that are no trustworthy origin on plain HTTP, as an address of a local network is none.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]
LOGIN: HttpCredentials = {"username": OWNER[0], "password": OWNER[1]}
DEADLINE = 60_000  # milliseconds, for whatever a test waits for


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A headless browser with a fresh profile."""
    browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
    try:
        yield browser
    finally:
        browser.close()


def wait_for_scripts(page: Page) -> None:
    """A page's scripts run once it is painted (static/start.js), which may be after `load`."""
    if page.evaluate("!matchMedia('(scripting: none)').matches"):
        page.wait_for_selector("script[data-scripts]", state="detached")
