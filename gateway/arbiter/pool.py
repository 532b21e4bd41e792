"""The kernels of a slot: started, seeded, attached, watched, and replaced when they die."""

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
LOOK = 0.2  # seconds between two looks at what the kernels do
PING_AFTER = 2.0  # seconds of silence after which a kernel is asked for a sign of life
ATTACH_TIMEOUT = 30  # seconds
NOTICED_WITHIN = 1.0  # seconds
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a kernel that died while starting is tried again
SOUND_AFTER = 10.0  # seconds of life after which an earlier death no longer counts
ATTACH = """
import sys
sys.path.insert(0, {root!r})
from gateway.worker.start import start
sys.path.remove({root!r})
start({socket!r}, {kernel!r})
"""


class Pool:
    """`kernels` workers on one listening socket. `deaths` counts those that had to be replaced."""

    def __init__(
        self,
        manager: Any,
        reception: WorkerChannels,
        listener: socket.socket,
        config: Config,
        start_timeout: float,
        log: Any,
    ) -> None:
        self.manager = manager
        self.reception = reception
        self.listener = listener
        self.config = config
        self.start_timeout = start_timeout  # seconds
        self.log = log
        self.casualties = CrashVerdicts()
        self.workers: list[WorkerHandle] = []
        self.deaths = 0
        self.on_death: Callable[[], None] = lambda: None
        self.outage = Outage(listener)
        self._draining = False
        limits = [endpoint.limit_s or config.request_timeout_s for endpoint in config.endpoints]
        self._longest_silence = max(limits) + 2 * GRACE + PING_AFTER

    async def start(self, kernels: int) -> None:
        """Bring up all kernels, side by side; raises NotebookError when one does not run the notebook."""
        starts = [asyncio.ensure_future(self._new_worker()) for _ in range(kernels)]
        try:
            workers = await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)  # each ends the kernel that it has begun
            raise
        for worker in workers:
            self._take_on(worker)
        run_in_background(self._watch())

    async def drain(self) -> None:
        """Have every kernel answer what has reached this slot; returns when all have, or are gone."""
        self._draining = True
        while True:
            await asyncio.gather(*(worker.drain() for worker in list(self.workers)))
            if not select.select([self.listener], [], [], 0)[0]:
                return
            # The last kernel died with callers in the backlog.
            try:
                self._take_on(await self._in_time())
            except NotebookError as error:
                self.log.error("No kernel could be started for the requests that still wait: %s", error)
                return

    async def explain(self, request_id: str) -> Verdict | None:
        """What became of a request whose kernel closed the connection; None: no kernel has seen it.

        nginx may ask in the instant a kernel dies, before its end was noticed here.
        """
        deadline = time.monotonic() + NOTICED_WITHIN
        while time.monotonic() < deadline:
            verdict = self.casualties.find(request_id)
            if verdict or not any(worker.is_running(request_id) for worker in self.workers):
                return verdict
            await asyncio.sleep(0.01)
        return None

    def _take_on(self, worker: WorkerHandle) -> None:
        self.outage.end()
        self.workers.append(worker)
        run_in_background(self._keep(worker))

    async def _new_worker(self) -> WorkerHandle:
        kernel_id = await self.manager.start_seeded_kernel()
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                return await self._attach(kernel_id)
        except BaseException:
            await self.manager.shutdown_kernel(kernel_id, now=True)
            raise
        finally:
            self.reception.forget(kernel_id)

    async def _in_time(self) -> WorkerHandle:
        """A new worker; raises NotebookError also where its cells take too long, as nobody else watches them."""
        try:
            async with asyncio.timeout(self.start_timeout):
                return await self._new_worker()
        except TimeoutError:
            why = f"its cells ran longer than {self.start_timeout} s (START_TIMEOUT)"
            raise NotebookError.outside_cells("NotReady", why) from None

    async def _attach(self, kernel_id: str) -> WorkerHandle:
        hello = self.reception.expect(kernel_id)
        attach = ATTACH.format(root=str(ROOT), socket=str(self.reception.path), kernel=kernel_id)
        code = f"exec({attach!r}, {{}})"  # in names of its own, not in the notebook's
        # The kernel answers the execute request only when all is settled over the channel.
        reply = asyncio.ensure_future(self.manager.execute(kernel_id, code))
        try:
            await asyncio.wait([hello, reply], return_when=asyncio.FIRST_COMPLETED)
            if not hello.done():
                raise NotebookError.outside_cells("EngineFailed", str(reply.result().get("evalue", "")))
            worker = WorkerHandle(kernel_id, hello.result())
            try:
                await worker.attach(self.listener.fileno(), self.config)
                await reply  # until then it is busy with ending the cell, and would miss its turn
            except BaseException:
                worker.close()
                raise
        finally:
            reply.cancel()
        return worker

    async def _keep(self, worker: WorkerHandle) -> None:
        """Wait for a worker's end, and replace it."""
        born = time.monotonic()
        await worker.wait_until_exit()
        self.workers.remove(worker)
        casualties = worker.record_crash(self.casualties)
        if self._draining:
            return
        self.deaths += 1
        self.on_death()
        self.log.warning("A kernel ended. Requests that were in it: %d. A new one starts.", casualties)
        try:
            await self.manager.shutdown_kernel(worker.kernel_id, now=True)
        except Exception:  # no reason to go without another
            self.log.exception("The rest of a kernel could not be ended in order.")
        pause = 0.0 if time.monotonic() - born > SOUND_AFTER else SHORTEST_PAUSE
        await self._replace(pause)

    async def _replace(self, pause: float) -> None:
        while not self._draining:
            await asyncio.sleep(pause)
            try:
                worker = await self._in_time()
            except Exception as error:
                pause = min(max(2 * pause, SHORTEST_PAUSE), LONGEST_PAUSE)
                self.log.error("A new kernel could not be started: %s. Trying again in %.1f s.", error, pause)
                if not self.workers:
                    self.outage.begin(str(error), pause)
            else:
                self._take_on(worker)
                return

    async def _watch(self) -> None:
        while True:
            for worker in self.workers:
                worker.kill_if_stuck(self._longest_silence)
                if time.monotonic() - worker.heard > PING_AFTER:
                    run_in_background(worker.ping())
            await asyncio.sleep(LOOK)
