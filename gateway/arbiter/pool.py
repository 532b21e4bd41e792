"""Starts, seeds, attaches, watches and replaces the kernels of a slot."""

import asyncio
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.arbiter.channel import WorkerChannels, run_in_background
from gateway.arbiter.crash_verdicts import CrashVerdicts, Verdict
from gateway.arbiter.outage import Outage
from gateway.arbiter.worker_handle import GRACE, WorkerHandle
from gateway.notebook.failure import NotebookError
from gateway.protocol.messages import Config

ROOT = Path(__file__).resolve().parents[2]
WATCH_INTERVAL = 0.2  # seconds
PING_AFTER = 2.0  # seconds of silence after which a kernel is pinged
ATTACH_TIMEOUT = 30  # seconds
DEATH_NOTICE_TIMEOUT = 1.0  # seconds in which the death of a kernel is noticed
MIN_BACKOFF, MAX_BACKOFF = 0.2, 30.0  # seconds before the next start of a kernel that died
BACKOFF_RESET_AFTER = 10.0  # seconds of life
ATTACH = """
import sys
sys.path.insert(0, {root!r})
from gateway.worker.start import start
sys.path.remove({root!r})
start({socket!r}, {kernel!r})
"""


class Pool:
    """`kernels` workers on one listening socket. `deaths` counts those that were replaced."""

    def __init__(
        self,
        manager: Any,
        channels: WorkerChannels,
        listener: socket.socket,
        config: Config,
        start_timeout: float,
        log: Any,
    ) -> None:
        self.manager = manager
        self.channels = channels
        self.listener = listener
        self.config = config
        self.start_timeout = start_timeout  # seconds
        self.log = log
        self.verdicts = CrashVerdicts()
        self.workers: list[WorkerHandle] = []
        self.deaths = 0
        self.on_death: Callable[[], None] = lambda: None
        self.outage = Outage(listener)
        self._draining = False
        limits = [endpoint.limit_s or config.request_timeout_s for endpoint in config.endpoints]
        self._max_silence = max(limits) + 2 * GRACE + PING_AFTER

    async def start(self, kernels: int) -> None:
        """Start all kernels in parallel; raises NotebookError if the notebook fails in one."""
        starts = [asyncio.ensure_future(self._start_worker()) for _ in range(kernels)]
        try:
            workers = await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)  # each ends its kernel
            raise
        for worker in workers:
            self._add_worker(worker)
        run_in_background(self._watch())

    async def drain(self) -> None:
        """Have the kernels answer all requests that have reached this slot; returns when they have, or are dead."""
        self._draining = True
        while True:
            await asyncio.gather(*(worker.drain() for worker in list(self.workers)))
            if not select.select([self.listener], [], [], 0)[0]:
                return
            # The last kernel died with requests in the backlog.
            try:
                self._add_worker(await self._start_worker_in_time())
            except NotebookError as error:
                self.log.error("No kernel could be started for the waiting requests: %s", error)
                return

    async def explain(self, request_id: str, started: float) -> Verdict | None:
        """What happened to a request whose connection was closed; None if no kernel died in it. `started`: monotonic.

        nginx may ask before the death of the kernel has been noticed here.
        """
        deadline = time.monotonic() + DEATH_NOTICE_TIMEOUT
        while time.monotonic() < deadline:
            verdict = self.verdicts.find(request_id, started)
            if verdict or not any(worker.is_running(request_id) for worker in self.workers):
                return verdict
            await asyncio.sleep(0.01)
        return None

    def _add_worker(self, worker: WorkerHandle) -> None:
        self.outage.end()
        self.workers.append(worker)
        run_in_background(self._supervise(worker))

    async def _start_worker(self) -> WorkerHandle:
        kernel_id = await self.manager.start_seeded_kernel()
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                return await self._attach(kernel_id)
        except BaseException:
            await self.manager.shutdown_kernel(kernel_id, now=True)
            raise
        finally:
            self.channels.unregister(kernel_id)

    async def _start_worker_in_time(self) -> WorkerHandle:
        """A new worker; raises NotebookError also if its cells take too long, which nothing else limits here."""
        try:
            async with asyncio.timeout(self.start_timeout):
                return await self._start_worker()
        except TimeoutError:
            why = f"its cells ran longer than {self.start_timeout} s (START_TIMEOUT)"
            raise NotebookError.outside_cells("NotReady", why) from None

    async def _attach(self, kernel_id: str) -> WorkerHandle:
        hello = self.channels.register(kernel_id)
        attach = ATTACH.format(root=str(ROOT), socket=str(self.channels.path), kernel=kernel_id)
        # The reply comes only after the handshake over the channel.
        reply = asyncio.ensure_future(self.manager.execute(kernel_id, attach))
        try:
            await asyncio.wait([hello, reply], return_when=asyncio.FIRST_COMPLETED)
            if not hello.done():
                raise NotebookError.outside_cells("EngineFailed", str(reply.result().get("evalue", "")))
            worker = WorkerHandle(kernel_id, hello.result())
            try:
                await worker.attach(self.listener.fileno(), self.config)
                await reply  # until then the kernel is busy with the end of the cell, and would miss its turn
            except BaseException:
                worker.close()
                raise
        finally:
            reply.cancel()
        return worker

    async def _supervise(self, worker: WorkerHandle) -> None:
        """Wait until a worker exits, and replace it."""
        started = time.monotonic()
        await worker.wait_until_exit()
        self.workers.remove(worker)
        crashed = worker.record_crash(self.verdicts)
        if self._draining:
            return
        self.deaths += 1
        self.on_death()
        self.log.warning("A kernel died with %d requests in it. A new one is being started.", crashed)
        try:
            await self.manager.shutdown_kernel(worker.kernel_id, now=True)
        except Exception:  # it must be replaced all the same
            self.log.exception("A dead kernel could not be cleaned up.")
        backoff = 0.0 if time.monotonic() - started > BACKOFF_RESET_AFTER else MIN_BACKOFF
        await self._replace(backoff)

    async def _replace(self, backoff: float) -> None:
        while not self._draining:
            await asyncio.sleep(backoff)
            try:
                worker = await self._start_worker_in_time()
            except Exception as error:
                backoff = min(max(2 * backoff, MIN_BACKOFF), MAX_BACKOFF)
                self.log.error("A new kernel could not be started: %s. Trying again in %.1f s.", error, backoff)
                if not self.workers:
                    self.outage.start(str(error), backoff)
            else:
                self._add_worker(worker)
                return

    async def _watch(self) -> None:
        while True:
            for worker in self.workers:
                worker.kill_if_stuck(self._max_silence)
                if time.monotonic() - worker.last_message > PING_AFTER:
                    run_in_background(worker.ping())
            await asyncio.sleep(WATCH_INTERVAL)
