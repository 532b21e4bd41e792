"""The time from a save to the new code's first response, and to the homepage's first paint."""

import base64
import statistics
import time

from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import chromium
from tests.support.stack import OWNER, Stack

TIMES = 10
BETWEEN = 3  # seconds between two saves, so that the next gateway is on standby again
FIRST_PAINT = """new Promise((done) => {
  new PerformanceObserver((list) => done(list.getEntries()[0].startTime)).observe({ type: "paint", buffered: true });
})"""
EMPTY = "<!doctype html><title>Empty</title><p>."
Row = tuple[str, str, str, str]


def rows() -> list[Row]:
    """Measured with the whole stack, with reload on save, and Chromium."""
    with Stack(RELOAD="1") as stack, sync_playwright() as playwright, chromium(playwright) as browser:
        stack.start()
        stack.serve("empty", ["import flask", f"# GET /empty\nflask.Response({EMPTY!r})"])
        empty, paint = first_paints(stack, browser)
        stack.serve("bench", version(0))
        live = [save_to_live(stack, number) for number in range(1, TIMES + 1)]
    return [
        (f"{TIMES} saves with reload on, to the first response of the new code, median and longest",
         f"{statistics.median(live):.2f} s, {max(live):.2f} s", "1.5 s", "0.5 s"),
        (f"first paint of the homepage, in a Chromium that has shown it before (an empty page: {empty:.0f} ms)",
         f"{paint:.0f} ms", "100 ms", "50 ms"),
    ]  # fmt: skip


def version(number: int) -> list[str]:
    return ["import json", f"# GET /version\nprint({number})"]


def save_to_live(stack: Stack, number: int) -> float:
    """Seconds."""
    time.sleep(BETWEEN)
    began = time.monotonic()
    stack.write("bench", version(number))
    with stack.session() as session:
        while session.get(f"{stack.url}/invoke/version").text.strip() != str(number):
            time.sleep(0.01)
    return time.monotonic() - began


def first_paints(stack: Stack, browser: Browser) -> tuple[float, float]:
    """Of an empty page and of the homepage: milliseconds from the navigation's start, by Chromium's own clock, median.

    With a login header: Playwright's own login intercepts each request, which disables the cache.
    """
    login = base64.b64encode(":".join(OWNER).encode()).decode()
    context = browser.new_context(extra_http_headers={"Authorization": f"Basic {login}"})
    page = context.new_page()

    def median(url: str) -> float:
        times: list[float] = []
        for _ in range(TIMES + 1):
            page.goto("about:blank")
            time.sleep(1)  # until the previous page's connections are closed
            page.goto(url)
            times.append(page.evaluate(FIRST_PAINT))
        return statistics.median(times[1:])

    return median(f"{stack.url}/invoke/empty"), median(stack.url)
