"""Starts kernels and runs a notebook's ordinary cells in them, and says which cell failed and where."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kernel_gateway.services.kernels.manager import SeedingMappingKernelManager

from gateway.failure import ANSI, NotebookError

STARTUP_TIMEOUT = 60  # seconds; the control app's START_TIMEOUT ends a start that takes longer
ALIVE_POLL = 0.1  # seconds between two looks whether a kernel that runs a cell still lives
# The history is a database of everything that was ever run, requests included.
IPYKERNEL_ARGUMENTS = ["--HistoryManager.enabled=False"]


class SeedingManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """Starts kernels in the notebook's folder, where Jupyter starts them too."""

    async def start_seeded_kernel(self, *args: Any, **kwargs: Any) -> str:
        """Start a kernel and run the notebook in it; returns its id, raises NotebookError."""
        notebook = self.parent.notebook
        kwargs |= {"kernel_name": notebook.kernel_name, "cwd": str(notebook.path.parent)}
        if notebook.is_ours:
            kwargs["extra_arguments"] = IPYKERNEL_ARGUMENTS
        # Past stock's own start_kernel, whose seeding neither names the cell nor notices a dead kernel.
        kernel_id: str = await super(SeedingMappingKernelManager, self).start_kernel(*args, **kwargs)
        try:
            async with self._client(kernel_id) as client:
                await client.wait_for_ready(timeout=STARTUP_TIMEOUT)
                for number, source in enumerate(notebook.cells, start=1):
                    if self.parent.personality.should_seed_cell(source):
                        await self._run_cell(client, kernel_id, number, source)
        except BaseException:
            await self.shutdown_kernel(kernel_id, now=True)
            raise
        return kernel_id

    async def execute(self, kernel_id: str, code: str) -> dict[str, Any]:
        """Run code that leaves no trace; returns the content of its `execute_reply`."""
        async with self._client(kernel_id) as client:
            message_id = client.execute(code, silent=True, store_history=False, allow_stdin=False)
            return await self._reply(client, kernel_id, None, message_id)

    @asynccontextmanager
    async def _client(self, kernel_id: str) -> AsyncIterator[Any]:
        client = self.get_kernel(kernel_id).client()
        client.session = type(client.session)(config=client.session.config, key=client.session.key)
        client.start_channels(stdin=False, hb=False)
        try:
            yield client
        finally:
            client.stop_channels()

    async def _run_cell(self, client: Any, kernel_id: str, number: int, source: str) -> None:
        # A notebook that is served has nobody who could answer input().
        message_id = client.execute(source, store_history=True, allow_stdin=False)
        reply = await self._reply(client, kernel_id, number, message_id)
        await self._log_output(client, message_id)
        if reply["status"] != "ok":
            raise NotebookError.in_cell(number, reply, source)
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            raise _kernel_ended(number)

    async def _reply(self, client: Any, kernel_id: str, cell: int | None, message_id: str) -> dict[str, Any]:
        """The content of an `execute_reply`; raises NotebookError when the kernel dies first."""
        while True:
            message = asyncio.ensure_future(client.get_shell_msg())
            try:
                while not (await asyncio.wait([message], timeout=ALIVE_POLL))[0]:
                    if not await self.get_kernel(kernel_id).is_alive():
                        raise _kernel_ended(cell)
            finally:
                message.cancel()
            if message.result()["parent_header"].get("msg_id") == message_id:
                content: dict[str, Any] = message.result()["content"]
                return content

    async def _log_output(self, client: Any, message_id: str) -> None:
        """Print what a cell printed, so that it is in the API's log."""
        while True:
            message = await client.get_iopub_msg(timeout=STARTUP_TIMEOUT)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                print(ANSI.sub("", content["text"]), end="", flush=True)
            elif content.get("execution_state") == "idle":
                return


def _kernel_ended(cell: int | None) -> NotebookError:
    value = "the kernel ended while it ran this cell (exit(), a crash, or out of memory)"
    return NotebookError.in_cell(cell, {"ename": "KernelDied", "evalue": value})
