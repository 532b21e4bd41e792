"""Fixtures with the real stack: one for many tests, and stacks of one test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.stack import Stack


@pytest.fixture(scope="package")
def shared_stack() -> Iterator[Stack]:
    """One running stack for all tests that leave its programs alone."""
    with Stack() as stack:
        yield stack.start()


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The shared stack; what it serves and which projects it has, earlier tests have decided."""
    assert shared_stack.is_healthy()
    return shared_stack


@pytest.fixture
def idle_stack(stack: Stack) -> Stack:
    """The shared stack with nothing served."""
    assert stack.stop_api().status_code == 200
    return stack


@pytest.fixture
def new_stack() -> Iterator[Callable[..., Stack]]:
    """Makes stacks of one test's own, not started yet, with the settings given."""
    with ExitStack() as stacks:
        yield lambda **settings: stacks.enter_context(Stack(**settings))
