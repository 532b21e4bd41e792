"""What the stock path hears from a kernel, without any kernel."""

import asyncio
import time
from typing import Any

import pytest
from jupyter_client.session import Session

from gateway.stock_pool import OutputTooLong, StockKernel


class Endless:
    """A kernel, its manager and its client in one: it prints for ever, 1,000 characters at a time."""

    def __init__(self) -> None:
        self.session = Session()
        self.printed = 0

    def get_kernel(self, _kernel_id: str) -> "Endless":
        return self

    def client(self) -> "Endless":
        return self

    def start_channels(self, **_: Any) -> None: ...

    def execute(self, *_: Any, **__: Any) -> str:
        return "message-1"

    async def is_alive(self) -> bool:
        return True

    async def get_iopub_msg(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.printed += 1000
        content = {"name": "stdout", "text": "x" * 1000}
        return {"parent_header": {"msg_id": "message-1"}, "msg_type": "stream", "content": content}


def test_output_without_end_is_cut_off_at_the_limit() -> None:
    endless = Endless()
    kernel = StockKernel(endless, "kernel-1")
    with pytest.raises(OutputTooLong):
        asyncio.run(kernel.run("print", time.monotonic() + 20, 10_000))
    assert endless.printed == 11_000
