"""Kernels that are spoken to over the Jupyter protocol: seeded, lent to one request at a time, replaced."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.arbiter.channel import run_in_background
from gateway.arbiter.seeding import open_client
from gateway.records import log
from gateway.records.record import NO_TEXT, Excerpt

ALIVE_POLL = 0.2  # seconds
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a kernel that did not start is tried again


class KernelDied(Exception):
    """The kernel ended while it ran code."""


class QueueFull(Exception):
    """As many requests as QUEUE_LIMIT allows are waiting for a kernel."""


class TimeLimitExceeded(Exception):
    """The cell ran longer than it may."""


class OutputTooLong(Exception):
    """The cell printed more than it may."""


class NoKernel(Exception):
    """No kernel can be brought up; the message says why."""


@dataclass
class Output:
    """What a piece of code gave: text on stdout and stderr, the last expression's mime bundle, an error's text."""

    stdout: list[str] = field(default_factory=list)
    stderr: Excerpt = NO_TEXT
    result: dict[str, Any] | None = None
    error: str | None = None
    traceback: str = ""


class StockKernel:
    """One seeded kernel and a client to it."""

    def __init__(self, manager: Any, kernel_id: str) -> None:
        self.kernel_id = kernel_id
        self.kernel = manager.get_kernel(kernel_id)
        self.client = open_client(self.kernel)

    async def run(self, code: str, deadline: float, longest_output: int, request_id: str) -> Output:
        """Run code to its end; raises KernelDied, OutputTooLong, or Overdue at the deadline (time.monotonic)."""
        message_id = self.client.execute(code, store_history=False, allow_stdin=False)
        collecting = asyncio.ensure_future(self._collect(message_id, longest_output, request_id))
        try:
            while not (await asyncio.wait([collecting], timeout=min(ALIVE_POLL, _left(deadline))))[0]:
                if not await self.kernel.is_alive():
                    raise KernelDied
                if time.monotonic() >= deadline:
                    raise TimeLimitExceeded
            return collecting.result()
        finally:
            collecting.cancel()

    def close(self) -> None:
        self.client.stop_channels()

    async def _collect(self, message_id: str, longest: int, request_id: str) -> Output:
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
                log.write_part(request_id, content["text"])
                output.stderr = output.stderr.concat(content["text"])
            elif kind == "stream":
                output.stdout.append(content["text"])
                longest -= len(content["text"])
                if longest < 0:
                    raise OutputTooLong
            elif kind == "error":
                output.error = f"{content['ename']}: {content['evalue']}"
                output.traceback = "\n".join(content["traceback"])


class StockPool:
    """`kernels` kernels, each lent to one request at a time; `queue_limit` requests may wait for one.

    A replacement may take `start_timeout` seconds.
    """

    def __init__(self, manager: Any, queue_limit: int, start_timeout: float, log: Any) -> None:
        self.manager = manager
        self.queue_limit = queue_limit
        self.start_timeout = start_timeout
        self.log = log
        self.why_none = ""  # the latest start of a kernel failed, and this is why
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
        """A kernel for one request; raises QueueFull and NoKernel. One that dies or goes on in it is replaced."""
        kernel = await self._next()
        while not await kernel.kernel.is_alive():  # it died while it was idle
            run_in_background(self._replace(kernel))
            kernel = await self._next()
        try:
            yield kernel
        except (KernelDied, TimeLimitExceeded, OutputTooLong):
            run_in_background(self._replace(kernel))
            raise
        except BaseException:
            self.idle.put_nowait(kernel)
            raise
        else:
            self.idle.put_nowait(kernel)

    async def _next(self) -> StockKernel:
        """The next idle kernel; raises QueueFull, and NoKernel while none can be brought up."""
        if self.waiting >= self.queue_limit:
            raise QueueFull
        self.waiting += 1
        try:
            while not self.why_none or self.alive:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_POLL):
                        return await self.idle.get()
            raise NoKernel(self.why_none)
        finally:
            self.waiting -= 1

    async def _new(self) -> StockKernel:
        kernel = StockKernel(self.manager, await self.manager.start_seeded_kernel())
        try:
            await kernel.client.wait_for_ready()
        except BaseException:
            await self._end(kernel)
            raise
        self.alive += 1
        return kernel

    async def _replace(self, kernel: StockKernel) -> None:
        # Not interrupted: not every kernel is sound after that (bash_kernel loses step with its shell).
        self.alive -= 1
        self.deaths += 1
        self.on_death()
        await self._end(kernel)
        pause = SHORTEST_PAUSE
        while True:
            try:
                async with asyncio.timeout(self.start_timeout):
                    fresh = await self._new()
            except Exception as error:
                is_late = isinstance(error, TimeoutError)
                late = f"its cells ran longer than {self.start_timeout} s (START_TIMEOUT)"
                self.why_none = late if is_late else str(error) or type(error).__name__
                self.log.error("A new kernel could not be started: %s. Trying again in %.1f s.", self.why_none, pause)
            else:
                self.why_none = ""
                self.idle.put_nowait(fresh)
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _end(self, kernel: StockKernel) -> None:
        """End it; a failure to do so is no reason to go without another."""
        kernel.close()
        try:
            await self.manager.shutdown_kernel(kernel.kernel_id, now=True)
        except Exception:
            self.log.exception("A kernel could not be ended in order.")


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
