"""Waiting for a real kernel whose reply comes before the client has subscribed, or late, or never."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from gateway.arbiter import seeding
from gateway.arbiter.seeding import SeedingManager
from gateway.notebook.failure import NotebookError

DEADLINE = 30  # seconds


@asynccontextmanager
async def running_kernel() -> AsyncIterator[AsyncKernelManager]:
    """A kernel that has answered a request already, so that it is up."""
    with TemporaryDirectory(dir="/tmp", prefix="kernel") as sockets:
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel")
        await kernel.start_kernel()
        try:
            client = kernel.client()
            client.start_channels(stdin=False, hb=False)
            await client.wait_for_ready(timeout=DEADLINE)
            client.stop_channels()
            yield kernel
        finally:
            await kernel.shutdown_kernel(now=True)


async def wait_for(kernel: AsyncKernelManager, client: Any) -> None:
    """As the gateway waits; fails when that takes longer than the deadline."""
    manager = SimpleNamespace(get_kernel=lambda _: kernel)
    try:
        async with asyncio.timeout(DEADLINE):
            await SeedingManager._wait_until_ready(manager, client, "kernel")
    finally:
        client.stop_channels()


def test_a_kernel_whose_replies_are_lost_is_requests_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Twice as long each time: whoever begins with more than a moment is not through before the deadline.
    monkeypatch.setattr(seeding, "ASK_AGAIN_AT_MOST", 10 * DEADLINE)

    async def lose_replies() -> None:
        async with running_kernel() as kernel:
            client = kernel.client()
            client.start_channels(stdin=False, hb=False)
            requests = subscribe_at_the_third_request(client)
            await wait_for(kernel, client)
            assert len(requests) >= 3

    asyncio.run(lose_replies())


def subscribe_at_the_third_request(client: Any) -> list[str]:
    """The requests that a client makes, as they are made; it subscribes to what the kernel publishes at the third."""
    requests: list[str] = []
    send = client.kernel_info
    client.iopub_channel.socket.unsubscribe(b"")

    def kernel_info() -> str:
        if len(requests) == 2:
            client.iopub_channel.socket.subscribe(b"")
        requests.append(send())
        return requests[-1]

    client.kernel_info = kernel_info
    return requests


def test_a_late_reply_to_an_earlier_request_counts() -> None:
    async def reply_late() -> None:
        async with running_kernel() as kernel:
            client = kernel.client()
            client.start_channels(stdin=False, hb=False)
            requests = lose_all_but_the_first(client)
            os.kill(kernel.provisioner.pid, signal.SIGSTOP)
            waiting = asyncio.create_task(wait_for(kernel, client))
            async with asyncio.timeout(DEADLINE):
                while len(requests) < 3:
                    await asyncio.sleep(0.01)
            os.kill(kernel.provisioner.pid, signal.SIGCONT)
            await waiting

    asyncio.run(reply_late())


def lose_all_but_the_first(client: Any) -> list[str]:
    """The requests that a client makes, as they are made; all but the first are lost on their way."""
    requests: list[str] = []
    send = client.kernel_info

    def kernel_info() -> str:
        requests.append(f"lost-{len(requests)}" if requests else send())
        return requests[-1]

    client.kernel_info = kernel_info
    return requests


def test_a_kernel_that_has_died_is_not_waited_for() -> None:
    async def kill() -> None:
        async with running_kernel() as kernel:
            client = kernel.client()
            client.start_channels(stdin=False, hb=False)
            with suppress(ProcessLookupError):
                os.kill(kernel.provisioner.pid, signal.SIGKILL)
            await wait_for(kernel, client)

    with pytest.raises(NotebookError, match="ended before"):
        asyncio.run(kill())
