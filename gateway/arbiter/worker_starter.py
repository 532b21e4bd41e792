"""Starts workers: kernels that have run the notebook and accept requests."""

import asyncio
import socket
from typing import Any

from gateway.arbiter.channel import WorkerChannels
from gateway.arbiter.worker_handle import Document, WorkerHandle
from gateway.notebook.failure import NotebookError
from gateway.protocol.messages import Config

ATTACH_TIMEOUT = 30  # seconds


class WorkerStarter:
    """Starts kernels with `manager`, and hands them `listener` and `config` over `channels`."""

    def __init__(
        self,
        manager: Any,
        channels: WorkerChannels,
        listener: socket.socket,
        config: Config,
        document: Document,
        start_timeout: float,
    ) -> None:
        self._manager = manager
        self._channels = channels
        self._listener = listener
        self._config = config
        self._document = document
        self._start_timeout = start_timeout  # seconds
        # The tasks whose kernel accepts requests, or may, and is not returned yet.
        self.attaching: set[asyncio.Task[Any] | None] = set()

    async def start(self) -> WorkerHandle:
        """A new worker; raises NotebookError."""
        kernel_id = await self._manager.start_seeded_kernel()
        task = asyncio.current_task()
        self.attaching.add(task)
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                return await self._attach(kernel_id)
        except BaseException as error:
            await self._manager.shutdown_kernel(kernel_id, now=not isinstance(error, NotebookError))
            raise
        finally:
            self.attaching.discard(task)
            self._channels.unregister(kernel_id)

    async def start_in_time(self) -> WorkerHandle:
        """A new worker; raises NotebookError also if its cells take too long, which nothing else limits here."""
        try:
            async with asyncio.timeout(self._start_timeout):
                return await self.start()
        except TimeoutError:
            why = f"its cells ran longer than {self._start_timeout} s (START_TIMEOUT)"
            raise NotebookError.outside_cells("NotReady", why) from None

    async def _attach(self, kernel_id: str) -> WorkerHandle:
        hello = self._channels.register(kernel_id)
        # The reply comes only after the handshake over the channel.
        call = self._manager.call_engine(kernel_id, "start", "start", str(self._channels.path), kernel_id)
        reply = asyncio.ensure_future(call)
        try:
            await asyncio.wait([hello, reply], return_when=asyncio.FIRST_COMPLETED)
            if not hello.done():
                await reply  # raises
            worker = WorkerHandle(kernel_id, hello.result())
            attaching = asyncio.ensure_future(worker.attach(self._listener.fileno(), self._config, self._document))
            try:
                await asyncio.wait([attaching, reply], return_when=asyncio.FIRST_COMPLETED)
                if not attaching.done():
                    reply.result()  # raises if the engine has failed
                await attaching
                # Until then the kernel is busy with the end of the cell, and would miss its turn. If a request has
                # ended it by now, this worker has died; its start has not failed.
                await asyncio.wait([reply])
            except BaseException:
                attaching.cancel()
                await asyncio.wait([attaching])
                worker.close()
                raise
        finally:
            reply.cancel()
        return worker
