"""Kernels that are spoken to over the Jupyter protocol: seeded, lent to one request at a time, replaced."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.channel import background
from gateway.failure import NotebookError

ALIVE_POLL = 0.2  # seconds
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a kernel that did not start is tried again


class KernelDied(Exception):
    """The kernel ended while it ran code."""


class QueueFull(Exception):
    """As many requests as QUEUE_LIMIT allows are waiting for a kernel."""


class Overdue(Exception):
    """The cell ran longer than it may."""


@dataclass
class Output:
    """What a piece of code gave: text on stdout and stderr, the last expression's mime bundle, an error's text."""

    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None
    error: str | None = None
    traceback: str = ""


class StockKernel:
    """One seeded kernel and a client to it."""

    def __init__(self, manager: Any, kernel_id: str) -> None:
        self.kernel_id = kernel_id
        self.kernel = manager.get_kernel(kernel_id)
        self.client = self.kernel.client()
        self.client.session = type(self.client.session)(config=self.client.session.config, key=self.client.session.key)
        self.client.start_channels(stdin=False, hb=False)

    async def run(self, code: str, deadline: float) -> Output:
        """Run code to its end; raises KernelDied, or Overdue at the deadline (time.monotonic)."""
        message_id = self.client.execute(code, store_history=False, allow_stdin=False)
        collecting = asyncio.ensure_future(self._collect(message_id))
        try:
            while not (await asyncio.wait([collecting], timeout=min(ALIVE_POLL, _left(deadline))))[0]:
                if not await self.kernel.is_alive():
                    raise KernelDied
                if time.monotonic() >= deadline:
                    raise Overdue
            return collecting.result()
        finally:
            collecting.cancel()

    def close(self) -> None:
        self.client.stop_channels()

    async def _collect(self, message_id: str) -> Output:
        output = Output()
        while True:
            message = await self.client.get_iopub_msg()
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return output
            if kind == "execute_result":
                output.result = content["data"]
            elif kind == "stream" and content.get("name") == "stderr":
                print(content["text"], end="", flush=True)
                output.stderr.append(content["text"])
            elif kind == "stream":
                output.stdout.append(content["text"])
            elif kind == "error":
                output.error = f"{content['ename']}: {content['evalue']}"
                output.traceback = "\n".join(content["traceback"])


class StockPool:
    """`kernels` kernels, each lent to one request at a time; `queue_limit` requests may wait for one."""

    def __init__(self, manager: Any, queue_limit: int, log: Any) -> None:
        self.manager = manager
        self.queue_limit = queue_limit
        self.log = log
        self.idle: asyncio.Queue[StockKernel] = asyncio.Queue()
        self.waiting = 0
        self.alive = 0
        self.deaths = 0
        self.on_death: Callable[[], None] = lambda: None

    async def start(self, kernels: int) -> None:
        """Bring up all kernels; raises NotebookError when one does not run the notebook."""
        for kernel in await asyncio.gather(*(self._new() for _ in range(kernels))):
            self.idle.put_nowait(kernel)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[StockKernel]:
        """A kernel for one request; raises QueueFull. One that dies or hangs in it is replaced."""
        kernel = await self._next()
        while not await kernel.kernel.is_alive():  # it died while it was idle
            background(self._replace(kernel))
            kernel = await self._next()
        try:
            yield kernel
        except (KernelDied, Overdue):
            background(self._replace(kernel))
            raise
        except BaseException:
            self.idle.put_nowait(kernel)
            raise
        else:
            self.idle.put_nowait(kernel)

    async def _next(self) -> StockKernel:
        """The next idle kernel; raises QueueFull."""
        if self.waiting >= self.queue_limit:
            raise QueueFull
        self.waiting += 1
        try:
            return await self.idle.get()
        finally:
            self.waiting -= 1

    async def _new(self) -> StockKernel:
        kernel = StockKernel(self.manager, await self.manager.start_seeded_kernel())
        await kernel.client.wait_for_ready()
        self.alive += 1
        return kernel

    async def _replace(self, kernel: StockKernel) -> None:
        # Not interrupted: not every kernel is sound after that (bash_kernel loses step with its shell).
        self.alive -= 1
        self.deaths += 1
        self.on_death()
        kernel.close()
        await self.manager.shutdown_kernel(kernel.kernel_id, now=True)
        pause = SHORTEST_PAUSE
        while True:
            try:
                self.idle.put_nowait(await self._new())
                return
            except (NotebookError, RuntimeError, OSError) as error:
                self.log.error("A new kernel could not be started: %s. Trying again in %.1f s.", error, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
