"""What the stock path hears from a kernel, without any kernel."""

import asyncio
import time
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest
from jupyter_client.session import Session

from gateway.records import log
from gateway.stock.pool import StockKernel, UnusableKernel


class Endless:
    """A kernel, its manager and its client in one: it prints for ever, 1,000 characters at a time."""

    def __init__(self) -> None:
        self.session = Session()
        self.context = Mock()
        self.position = 0

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
        self.position += 1000
        content = {"name": "stdout", "text": "x" * 1000}
        return {"parent_header": {"msg_id": "message-1"}, "msg_type": "stream", "content": content}


def test_output_without_end_is_cut_off_at_the_limit() -> None:
    endless = Endless()
    kernel = StockKernel(endless, "kernel-1")
    with pytest.raises(UnusableKernel, match="printed more"):
        asyncio.run(kernel.run("print", time.monotonic() + 20, 10_000, "request-1"))
    assert endless.position == 11_000


class Noisy(Endless):
    """It writes to stderr what a caller might have sent, in pieces, then is done."""

    messages: ClassVar[list[tuple[str, dict[str, Any]]]] = [
        ("stream", {"name": "stderr", "text": "said: a"}),
        ("stream", {"name": "stderr", "text": "\n[another] forged\nend\n"}),
        ("status", {"execution_state": "idle"}),
    ]

    async def get_iopub_msg(self) -> dict[str, Any]:
        kind, content = self.messages[self.position]
        self.position += 1
        return {"parent_header": {"msg_id": "message-1"}, "msg_type": kind, "content": content}


def test_stderr_is_in_the_log_under_the_request_and_in_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []
    monkeypatch.setattr(log, "write", pieces.append)
    output = asyncio.run(StockKernel(Noisy(), "kernel-1").run("fail", time.monotonic() + 20, 10_000, "mine"))
    assert "".join(pieces) == "[mine] said: a\n[mine] [another] forged\n[mine] end\n"
    assert output.stderr.text == "said: a\n[another] forged\nend\n"
