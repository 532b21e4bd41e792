"""The log of the stack beside each failure, and which tests of a parallel run stay together."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.stack import Stack

TESTS = Path(__file__).parent
SHOWN = 20_000  # characters of a log
# The folders in the order in which a parallel run begins them: the image is built while other tests run, and the short
# tests come last, so that no worker is left alone with a long one.
ORDER = ["templates", "engine", "browser", "stack", "image", "unit"]
# Nothing of these is bound to one worker, though they are made once.
SHARED_BY_WORKERS = {"engine", "image", "make_wheel", "tmp_path_factory", "worker_id"}


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what a fixture makes stay in one worker; all others go to whichever is free (pytest-xdist)."""
    for item in items:
        assert isinstance(item, pytest.Function)
        if is_bound_to_its_file(item):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(item.config.rootpath))))
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(TESTS).parts[0]))


def is_bound_to_its_file(item: pytest.Function) -> bool:
    """Whether a fixture of the test is made once for several tests."""
    fixtures = item._fixtureinfo.name2fixturedefs
    return any(fixture[-1].scope != "function" for name, fixture in fixtures.items() if name not in SHARED_BY_WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for stack in Stack.alive:
            report.sections.append((f"log of the stack at {stack.url}", stack.log()[-SHOWN:]))
    return report
