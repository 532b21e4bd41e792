"""Starts kernels and runs a notebook's ordinary cells in them, and says which cell failed and where."""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from kernel_gateway.services.kernels.manager import KernelGatewayIOLoopKernelManager, SeedingMappingKernelManager

from gateway.arbiter import prefork
from gateway.notebook.failure import ANSI, NotebookError

STARTUP_TIMEOUT = 60  # seconds; the control app's START_TIMEOUT ends a start that takes longer
# Seconds after which a kernel is asked again whether it is ready: twice as long each time. One that was started ahead
# answers before anybody here hears it; one that still starts is not to be asked a hundred times.
ASK_AGAIN, ASK_AGAIN_AT_MOST = 0.05, 1.0
ALIVE_POLL = 0.1  # seconds between two looks whether a kernel that runs a cell still lives
BOUND_POLL = 0.005  # seconds
# The history is a database of everything that was ever run, requests included.
IPYKERNEL_ARGUMENTS = ["--HistoryManager.enabled=False"]


class KernelManager(KernelGatewayIOLoopKernelManager):  # type: ignore[misc]
    """One kernel, in a process of ours where it is an ipykernel of this Python."""

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        if not self.parent.parent.notebook.is_ours:
            await super()._async_launch_kernel(kernel_cmd, **kw)
            return
        process = prefork.launch(kernel_cmd, kw["cwd"], kw["env"] | {"KERNEL_GATEWAY": "1"})
        # What jupyter_client's LocalProvisioner knows of a process that it has started itself.
        provisioner = self.provisioner
        provisioner.process, provisioner.pid, provisioner.pgid = process, process.pid, process.pid
        provisioner.cwd = kw["cwd"]
        self._reconcile_connection_info(provisioner.connection_info)


class SeedingManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """Starts kernels in the notebook's folder, where Jupyter starts them too."""

    def _kernel_manager_class_default(self) -> str:
        return f"{KernelManager.__module__}.{KernelManager.__name__}"

    async def start_seeded_kernel(self, *args: Any, **kwargs: Any) -> str:
        """Start a kernel and run the notebook in it; returns its id, raises NotebookError."""
        notebook = self.parent.notebook
        kwargs |= {"kernel_name": notebook.kernel_name, "cwd": str(notebook.path.parent)}
        if notebook.is_ours:
            kwargs["extra_arguments"] = IPYKERNEL_ARGUMENTS
        # Past stock's own start_kernel, whose seeding neither names the cell nor notices a dead kernel.
        kernel_id: str = await super(SeedingMappingKernelManager, self).start_kernel(*args, **kwargs)
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT):
                await self._until_bound(kernel_id)
            async with self._client(kernel_id) as client:
                async with asyncio.timeout(STARTUP_TIMEOUT):
                    await self._wait_until_ready(client, kernel_id)
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

    async def _until_bound(self, kernel_id: str) -> None:
        """Return when the kernel's sockets are there: ØMQ tries a connect that came too early again after 0.1 s."""
        kernel = self.get_kernel(kernel_id)
        last = Path(f"{kernel.ip}-{kernel.iopub_port}")  # the file of an ipc socket; ipykernel binds this one last
        while not last.exists():
            if not await kernel.is_alive():
                raise NotebookError.outside_cells("KernelDied", "the kernel ended before it ran a cell")
            await asyncio.sleep(BOUND_POLL)

    async def _wait_until_ready(self, client: Any, kernel_id: str) -> None:
        """Return when the kernel answers, and when what it prints arrives here: a subscription takes effect late.

        jupyter_client's wait_for_ready finds out by hearing nothing for 0.2 s.
        """
        asked, patience = set(), ASK_AGAIN
        while True:
            asked.add(client.kernel_info())
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    async for _ in self._printed(client, asked):
                        pass
                return
            patience = min(2 * patience, ASK_AGAIN_AT_MOST)
            if not await self.get_kernel(kernel_id).is_alive():
                raise NotebookError.outside_cells("KernelDied", "the kernel ended before it ran a cell")

    async def _run_cell(self, client: Any, kernel_id: str, number: int, source: str) -> None:
        # A notebook that is served has nobody who could answer input().
        message_id = client.execute(source, store_history=True, allow_stdin=False)
        reply = await self._reply(client, kernel_id, number, message_id)
        async for text in self._printed(client, {message_id}):
            print(ANSI.sub("", text), end="", flush=True)
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

    async def _printed(self, client: Any, requests: Set[str]) -> AsyncIterator[str]:
        """What a kernel prints for these requests, until it is done with one."""
        while True:
            message = await client.get_iopub_msg(timeout=STARTUP_TIMEOUT)
            if message["parent_header"].get("msg_id") not in requests:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                yield content["text"]
            elif content.get("execution_state") == "idle":
                return


def _kernel_ended(cell: int | None) -> NotebookError:
    value = "the kernel ended while it ran this cell (exit(), a crash, or out of memory)"
    return NotebookError.in_cell(cell, {"ename": "KernelDied", "evalue": value})
