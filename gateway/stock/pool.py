"""Starts kernels for the Jupyter protocol, assigns them to one request at a time, and replaces them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.arbiter.channel import run_in_background
from gateway.arbiter.kernel_client import open_client
from gateway.http.wire import RejectedRequest
from gateway.records import log
from gateway.records.record import NO_TEXT, Excerpt

ALIVE_POLL = 0.2  # seconds
MIN_BACKOFF, MAX_BACKOFF = 0.2, 30.0  # seconds before a kernel that did not start is tried again


class UnusableKernel(RejectedRequest):
    """The kernel died while it ran code, or is still running it: it must be replaced."""


@dataclass
class Output:
    """What code printed, the mime bundle of its last expression, its error."""

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

    async def run(self, code: str, deadline: float, max_output: int, request_id: str) -> Output:
        """Run code; raises UnusableKernel, and TimeoutError at the deadline (time.monotonic)."""
        message_id = self.client.execute(code, store_history=False, allow_stdin=False)
        collection = asyncio.ensure_future(self._collect(message_id, max_output, request_id))
        try:
            while not (await asyncio.wait([collection], timeout=min(ALIVE_POLL, deadline - time.monotonic())))[0]:
                if not await self.kernel.is_alive():
                    raise UnusableKernel(502, "kernel-died", "The kernel ended while it worked on this request.")
                if time.monotonic() >= deadline:
                    raise TimeoutError
            return collection.result()
        finally:
            collection.cancel()

    def close(self) -> None:
        self.client.stop_channels()

    async def _collect(self, message_id: str, max_output: int, request_id: str) -> Output:
        output, size = Output(), 0
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
                size += len(content["text"])
                if size > max_output:
                    message = f"the cell printed more than {max_output} bytes"
                    raise UnusableKernel(500, "output-too-long", message)
            elif kind == "error":
                output.error = f"{content['ename']}: {content['evalue']}"
                output.traceback = "\n".join(content["traceback"])


class StockPool:
    """Kernels for one request at a time; up to `queue_limit` requests wait for one.

    A replacement is given up after `start_timeout` seconds, and tried again.
    """

    def __init__(self, manager: Any, queue_limit: int, start_timeout: float, log: Any) -> None:
        self.manager = manager
        self.queue_limit = queue_limit
        self.start_timeout = start_timeout
        self.log = log
        self.start_error = ""  # why the last start of a kernel failed, if it did
        self.idle: asyncio.Queue[StockKernel] = asyncio.Queue()
        self.waiting = 0
        self.alive = 0
        self.deaths = 0
        self.on_death: Callable[[], None] = lambda: None

    async def start(self, kernels: int) -> None:
        """Start all kernels; raises NotebookError if the notebook fails in one."""
        for kernel in await asyncio.gather(*(self._start_kernel() for _ in range(kernels))):
            self.idle.put_nowait(kernel)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[StockKernel]:
        """A kernel for one request; raises RejectedRequest. It is replaced if it dies or exceeds a limit."""
        kernel = await self._acquire()
        while not await kernel.kernel.is_alive():  # it died while it was idle
            run_in_background(self._replace(kernel))
            kernel = await self._acquire()
        try:
            yield kernel
        except (UnusableKernel, TimeoutError):
            run_in_background(self._replace(kernel))
            raise
        except BaseException:
            self.idle.put_nowait(kernel)
            raise
        else:
            self.idle.put_nowait(kernel)

    async def _acquire(self) -> StockKernel:
        """The next idle kernel; raises RejectedRequest if the queue is full, or while none can be started."""
        if self.waiting >= self.queue_limit:
            raise RejectedRequest(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
        self.waiting += 1
        try:
            while not self.start_error or self.alive:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_POLL):
                        return await self.idle.get()
            raise RejectedRequest(503, "no-kernel", f"The notebook cannot be run: {self.start_error}")
        finally:
            self.waiting -= 1

    async def _start_kernel(self) -> StockKernel:
        kernel = StockKernel(self.manager, await self.manager.start_seeded_kernel())
        try:
            await kernel.client.wait_for_ready()
        except BaseException:
            await self._shut_down(kernel)
            raise
        self.alive += 1
        return kernel

    async def _replace(self, kernel: StockKernel) -> None:
        # Not interrupted: not every kernel is sound after that (bash_kernel gets out of step with its shell).
        self.alive -= 1
        self.deaths += 1
        self.on_death()
        await self._shut_down(kernel)
        backoff = MIN_BACKOFF
        while True:
            try:
                async with asyncio.timeout(self.start_timeout):
                    replacement = await self._start_kernel()
            except Exception as error:
                is_timeout = isinstance(error, TimeoutError)
                timeout = f"its cells ran longer than {self.start_timeout} s (START_TIMEOUT)"
                self.start_error = timeout if is_timeout else str(error) or type(error).__name__
                self.log.error(
                    "A new kernel could not be started: %s. Trying again in %.1f s.", self.start_error, backoff
                )
            else:
                self.start_error = ""
                self.idle.put_nowait(replacement)
                return
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF)

    async def _shut_down(self, kernel: StockKernel) -> None:
        """Shut a kernel down; it must be replaced even if that fails."""
        kernel.close()
        try:
            await self.manager.shutdown_kernel(kernel.kernel_id, now=True)
        except Exception:
            self.log.exception("A kernel could not be shut down.")
