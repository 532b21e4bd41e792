"""The log of the stack beside each failure, and the order of the tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.stack import Stack

TESTS = Path(__file__).parent
SHOWN = 20_000  # characters of a log
# The folders in the order in which a parallel run begins them: the image is built while other tests run, and the short
# files come last, so that no worker is left alone with a long one.
ORDER = ["templates", "engine", "browser", "image", "stack", "unit"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; pytest-xdist gives the files to its workers in this order."""
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(TESTS).parts[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for stack in Stack.alive:
            report.sections.append((f"log of the stack at {stack.url}", stack.log()[-SHOWN:]))
    return report
