"""Runs a notebook's ordinary cells in a new kernel, and says which cell failed and where."""

import asyncio
from typing import Any

from kernel_gateway.services.kernels.manager import SeedingMappingKernelManager

from gateway.failure import NotebookError

STARTUP_TIMEOUT = 60  # seconds; the control app's START_TIMEOUT ends a start that takes longer
ALIVE_POLL = 0.2  # seconds between two looks whether a kernel that runs a cell still lives


class SeedingManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """Starts kernels in the notebook's folder, where Jupyter starts them too."""

    async def start_seeded_kernel(self, *args: Any, **kwargs: Any) -> str:
        """Start a kernel and run the notebook in it; returns its id, raises NotebookError."""
        kwargs |= {"kernel_name": self.seed_kernelspec, "cwd": str(self.parent.slot.notebook.parent)}
        # Past stock's own start_kernel, whose seeding neither names the cell nor notices a dead kernel.
        kernel_id: str = await super(SeedingMappingKernelManager, self).start_kernel(*args, **kwargs)
        try:
            await self._seed(kernel_id)
        except BaseException:
            await self.shutdown_kernel(kernel_id, now=True)
            raise
        return kernel_id

    async def _seed(self, kernel_id: str) -> None:
        client = self.get_kernel(kernel_id).client()
        client.session = type(client.session)(config=client.session.config, key=client.session.key)
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=STARTUP_TIMEOUT)
            for number, source in enumerate(self.seed_source, start=1):
                if self.parent.personality.should_seed_cell(source):
                    await self._run_cell(client, kernel_id, number, source)
        finally:
            client.stop_channels()

    async def _run_cell(self, client: Any, kernel_id: str, number: int, source: str) -> None:
        # A notebook that is served has nobody who could answer input().
        message_id = client.execute(source, store_history=True, allow_stdin=False)
        reply = await self._reply(client, kernel_id, number, message_id)
        if reply["status"] != "ok":
            raise NotebookError.in_cell(number, reply)
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            raise _kernel_ended(number)

    async def _reply(self, client: Any, kernel_id: str, number: int, message_id: str) -> dict[str, Any]:
        """The content of the cell's `execute_reply`; raises NotebookError when the kernel dies first."""
        while True:
            message = asyncio.ensure_future(client.get_shell_msg())
            while not (await asyncio.wait([message], timeout=ALIVE_POLL))[0]:
                if not await self.get_kernel(kernel_id).is_alive():
                    message.cancel()
                    raise _kernel_ended(number)
            if message.result()["parent_header"].get("msg_id") == message_id:
                content: dict[str, Any] = message.result()["content"]
                return content


def _kernel_ended(cell: int) -> NotebookError:
    value = "the kernel ended while it ran this cell (exit(), a crash, or out of memory)"
    return NotebookError.in_cell(cell, {"ename": "KernelDied", "evalue": value})
