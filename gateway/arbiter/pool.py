"""Watches, replaces and drains the kernels of a slot."""

import asyncio
import select
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.arbiter import prefork
from gateway.arbiter.channel import WorkerChannels, run_in_background
from gateway.arbiter.crash_verdicts import CrashVerdicts, Verdict
from gateway.arbiter.outage import Outage
from gateway.arbiter.worker_handle import GRACE, Document, WorkerHandle
from gateway.arbiter.worker_starter import WorkerStarter
from gateway.protocol.messages import Config

WATCH_INTERVAL = 0.2  # seconds
PING_AFTER = 2.0  # seconds of silence after which a kernel is pinged
DEATH_NOTICE_TIMEOUT = 1.0  # seconds in which the death of a kernel is noticed
MIN_BACKOFF, MAX_BACKOFF = 0.2, 30.0  # seconds before the next start of a kernel that did not start
SHORT_LIFE = 10.0  # seconds


class Pool:
    """`kernels` workers on one listening socket. `deaths` counts those that were replaced.

    `workers` are also those that accept no more but still work on requests.
    """

    def __init__(
        self,
        manager: Any,
        channels: WorkerChannels,
        listener: socket.socket,
        config: Config,
        document: Document,
        start_timeout: float,
        log: Any,
    ) -> None:
        self.manager = manager
        self.listener = listener
        self.starter = WorkerStarter(manager, channels, listener, config, document, start_timeout)
        self.log = log
        self.verdicts = CrashVerdicts()
        self.workers: list[WorkerHandle] = []
        self.deaths = 0
        self.on_death: Callable[[], None] = lambda: None
        self.outage = Outage(listener)
        self._draining = asyncio.Event()
        # The tasks that watch `workers`, and those that start kernels for them.
        self._supervisions: set[asyncio.Task[None]] = set()
        self._replacements: set[asyncio.Task[None]] = set()
        limits = [endpoint.limit_s or config.request_timeout_s for endpoint in config.endpoints]
        self._max_silence = max(limits) + 2 * GRACE + PING_AFTER

    async def start(self, kernels: int) -> None:
        """Start all kernels in parallel; raises NotebookError if the notebook fails in one."""
        starts = [asyncio.ensure_future(self.starter.start()) for _ in range(kernels)]
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
        """Have the kernels answer all requests that have reached this slot, then end them."""
        self._draining.set()
        for worker in self.workers:
            worker.retirement.set()
        while True:
            while self._supervisions:
                await asyncio.wait(self._supervisions)
            if not select.select([self.listener], [], [], 0)[0]:
                # A kernel that is being attached may have accepted a request already.
                for replacement in self._replacements - self.starter.attaching:
                    replacement.cancel()
            elif not self._replacements:  # the last kernel died with requests in the backlog
                self._begin(self._replacements, self._replace(0.0))
            if self._replacements:
                await asyncio.wait(self._replacements)
            if not self._supervisions:
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

    def live_workers(self) -> list[WorkerHandle]:
        """The workers that accept requests."""
        return [worker for worker in self.workers if not worker.retirement.is_set()]

    def _begin(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as one of `tasks`."""
        task = run_in_background(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _add_worker(self, worker: WorkerHandle) -> None:
        self.outage.end()
        self.workers.append(worker)
        if self._draining.is_set():
            worker.retirement.set()
        self._begin(self._supervisions, self._supervise(worker))

    async def _supervise(self, worker: WorkerHandle) -> None:
        """Replace a worker that accepts no more, and end it when its requests are done."""
        started = time.monotonic()
        reading = run_in_background(worker.read_messages())
        await worker.retirement.wait()
        if not self._draining.is_set():
            self._report_loss(worker)
            is_young = time.monotonic() - started < SHORT_LIFE
            if is_young:
                prefork.keep_spare(SHORT_LIFE)
            # A kernel that ends by itself just after its start will do so again.
            is_cut_short = is_young and not worker.requests()
            self._begin(self._replacements, self._replace(MIN_BACKOFF if is_cut_short else 0.0))
        await worker.drain()
        worker.record_crash(self.verdicts)
        self.workers.remove(worker)
        await self._shut_down(worker)
        reading.cancel()  # a child of the kernel may keep the channel open
        await asyncio.wait([reading])
        worker.close()

    def _report_loss(self, worker: WorkerHandle) -> None:
        self.deaths += 1
        self.on_death()
        what = "died" if worker.has_exited else "has no file descriptors left,"
        requests = len(worker.requests())
        self.log.warning("A kernel %s with %d requests in it. A new one is being started.", what, requests)

    async def _shut_down(self, worker: WorkerHandle) -> None:
        """End a kernel in order: with its `atexit` functions."""
        try:
            await self.manager.shutdown_kernel(worker.kernel_id, now=worker.has_exited)
        except Exception:
            self.log.exception("A kernel could not be cleaned up.")

    async def _replace(self, backoff: float) -> None:
        """Add a worker; tries until it succeeds, while this slot drains only once."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff):
                    await self._draining.wait()
            try:
                self._add_worker(await self.starter.start_in_time())
                return
            except Exception as error:
                if self._draining.is_set():
                    self.log.error("No kernel could be started for the waiting requests: %s", error)
                    return
                backoff = min(max(2 * backoff, MIN_BACKOFF), MAX_BACKOFF)
                self.log.error("A new kernel could not be started: %s. Trying again in %.1f s.", error, backoff)
                if not self.live_workers():
                    self.outage.start(str(error), backoff)

    async def _watch(self) -> None:
        while True:
            prefork.discard_late()
            for worker in self.workers:
                worker.kill_if_stuck(self._max_silence)
                if time.monotonic() - worker.last_message > PING_AFTER:
                    run_in_background(worker.ping())
            await asyncio.sleep(WATCH_INTERVAL)
