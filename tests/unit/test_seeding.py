"""Waiting for a kernel that answers before anybody hears it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.arbiter import seeding
from gateway.arbiter.seeding import SeedingManager
from gateway.notebook.failure import NotebookError

DEADLINE = 15  # seconds


class Kernel:
    """A kernel, and the client of it, that hears nothing of the answers to the first `unheard` requests."""

    def __init__(self, unheard: int, answers: int = 0, alive: bool = True) -> None:
        self.unheard = unheard
        self.answers = answers  # which request it answers, the first that is heard or an earlier one
        self.alive = alive
        self.asked = 0

    def kernel_info(self) -> str:
        self.asked += 1
        return f"request-{self.asked}"

    async def get_iopub_msg(self, **_: Any) -> dict[str, Any]:
        if self.asked <= self.unheard:
            await asyncio.Event().wait()
        answered = self.answers or self.asked
        return {
            "msg_type": "status",
            "parent_header": {"msg_id": f"request-{answered}"},
            "content": {"execution_state": "idle"},
        }

    async def is_alive(self) -> bool:
        return self.alive


async def wait_for(kernel: Kernel) -> None:
    manager = SimpleNamespace(get_kernel=lambda _: kernel)
    async with asyncio.timeout(DEADLINE):
        await SeedingManager._wait_until_ready(manager, kernel, "kernel")


def test_a_kernel_whose_first_answer_was_not_heard_is_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, "ASK_AGAIN_AT_MOST", 10 * DEADLINE)
    kernel = Kernel(unheard=2)

    asyncio.run(wait_for(kernel))

    assert kernel.asked == 3


def test_a_late_answer_to_an_earlier_request_counts() -> None:
    asyncio.run(wait_for(Kernel(unheard=2, answers=1)))


def test_a_kernel_that_has_died_is_not_waited_for() -> None:
    with pytest.raises(NotebookError, match="ended before"):
        asyncio.run(wait_for(Kernel(unheard=100, alive=False)))
