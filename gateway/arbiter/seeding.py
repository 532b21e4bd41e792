"""Starts kernels and runs a notebook's ordinary cells in them; an error names the cell and its line."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from kernel_gateway.services.kernels.manager import SeedingMappingKernelManager

from gateway.arbiter import prefork
from gateway.arbiter.kernel_client import open_client, print_output, read_reply, wait_until_idle
from gateway.notebook.failure import NotebookError

STARTUP_TIMEOUT = 60  # seconds; the control app's START_TIMEOUT ends a start that takes longer
# Seconds after which a kernel is asked again whether it is ready: twice as long each time. A kernel that was started
# ahead answers before the subscription takes effect; one that still starts is not to be asked a hundred times.
ASK_AGAIN, ASK_AGAIN_AT_MOST = 0.05, 1.0
ALIVE_POLL = 0.1  # seconds
BOUND_POLL = 0.005  # seconds
ROOT = Path(__file__).resolve().parents[2]
ENGINE_CODE = """
import sys
sys.path.insert(0, {root!r})
from gateway.worker.{module} import {function}
sys.path.remove({root!r})
{function}{arguments!r}
"""
# Evaluated right after the cell, in the same message (user_expressions).
CAPTURE_CODE = "__import__('gateway.worker.functions', fromlist=['capture']).capture({number}, {function})"
# The history is a database of everything that was ever run, requests included.
IPYKERNEL_ARGUMENTS = ["--HistoryManager.enabled=False"]


class PreforkProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Runs an ipykernel of this Python in a process that has loaded it already."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        self.process = prefork.launch(cmd, kwargs["cwd"], kwargs["env"])
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs["cwd"]
        return self.connection_info

    async def terminate(self, restart: bool = False) -> None:
        """Unlike its base class, send no SIGTERM to a kernel that was asked to end and takes its time.

        It would end Python at once, in the middle of its `atexit` functions.
        """


class SeedingManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """Starts kernels in the notebook's folder, where Jupyter starts them too, with the project's variables."""

    async def start_seeded_kernel(self, *args: Any, **kwargs: Any) -> str:
        """Start a kernel and run the notebook in it; returns its id, raises NotebookError."""
        notebook = self.parent.notebook
        kwargs |= {"kernel_name": notebook.kernel_name, "cwd": str(notebook.path.parent)}
        kwargs["env"] = {**os.environ, **self.parent.variables}
        if notebook.is_ours:
            kwargs["extra_arguments"] = IPYKERNEL_ARGUMENTS
        # Not stock's own start_kernel, whose seeding neither names the cell nor notices a dead kernel.
        kernel_id: str = await super(SeedingMappingKernelManager, self).start_kernel(*args, **kwargs)
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT):
                await self._wait_until_bound(kernel_id)
            async with self._client(kernel_id) as client:
                async with asyncio.timeout(STARTUP_TIMEOUT):
                    await self._prepare(client, kernel_id)
                functions = self.parent.personality.functions
                for number, source in enumerate(notebook.cells, start=1):
                    if number in functions or self.parent.personality.should_seed_cell(source):
                        await self._run_cell(client, kernel_id, number, source, functions.get(number))
        except BaseException as error:
            await self.shutdown_kernel(kernel_id, now=not isinstance(error, NotebookError))
            raise
        return kernel_id

    async def call_engine(self, kernel_id: str, module: str, function: str, *arguments: Any) -> dict[str, Any]:
        """Call a function of `gateway.worker` in a kernel; returns the content of its `execute_reply`."""
        async with self._client(kernel_id) as client:
            return await self._call_engine(client, kernel_id, module, function, *arguments)

    @asynccontextmanager
    async def _client(self, kernel_id: str) -> AsyncIterator[Any]:
        client = open_client(self.get_kernel(kernel_id), has_output=not self.parent.notebook.is_ours)
        try:
            yield client
        finally:
            client.stop_channels()

    async def _prepare(self, client: Any, kernel_id: str) -> None:
        """Return when what cells print will arrive: in the log, or here."""
        if self.parent.notebook.is_ours:
            await self._call_engine(client, kernel_id, "start_output", "begin", self._max_output())
        else:
            await self._wait_until_ready(client, kernel_id)

    async def _call_engine(
        self, client: Any, kernel_id: str, module: str, function: str, *arguments: Any
    ) -> dict[str, Any]:
        code = ENGINE_CODE.format(root=str(ROOT), module=module, function=function, arguments=arguments)
        # In a namespace of its own, not the notebook's.
        reply = await self._execute(client, kernel_id, None, f"exec({code!r}, {{}})", silent=True)
        if reply["status"] != "ok":
            raise NotebookError.outside_cells("EngineFailed", str(reply.get("evalue", "")))
        return reply

    async def _wait_until_bound(self, kernel_id: str) -> None:
        """Return when the kernel's sockets exist: ØMQ repeats a connect that came too early after 0.1 s only."""
        kernel = self.get_kernel(kernel_id)
        last = Path(f"{kernel.ip}-{kernel.iopub_port}")  # the file of an ipc socket; ipykernel binds this one last
        while not last.exists():
            if not await kernel.is_alive():
                raise NotebookError.outside_cells("KernelDied", "the kernel ended before it ran a cell")
            await asyncio.sleep(BOUND_POLL)

    async def _wait_until_ready(self, client: Any, kernel_id: str) -> None:
        """Return when the kernel answers and its output arrives here: a subscription takes effect late.

        jupyter_client's wait_for_ready finds out by 0.2 s of silence.
        """
        requests, patience = set(), ASK_AGAIN
        while True:
            requests.add(client.kernel_info())
            try:
                async with asyncio.timeout(patience):
                    return await wait_until_idle(client, requests)
            except TimeoutError:
                patience = min(2 * patience, ASK_AGAIN_AT_MOST)
            if not await self.get_kernel(kernel_id).is_alive():
                raise NotebookError.outside_cells("KernelDied", "the kernel ended before it ran a cell")

    async def _run_cell(self, client: Any, kernel_id: str, number: int, source: str, function: str | None) -> None:
        """Run a cell, and keep its `function` if it has one that is an endpoint."""
        expressions = {"function": CAPTURE_CODE.format(number=number, function=function)} if function else {}
        reply = await self._execute(client, kernel_id, number, source, user_expressions=expressions)
        if reply["status"] != "ok":
            raise NotebookError.in_cell(number, reply, source)
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            raise _kernel_died(number)

    async def _execute(
        self, client: Any, kernel_id: str, cell: int | None, code: str, **options: Any
    ) -> dict[str, Any]:
        """Run code; returns the content of its `execute_reply`, raises NotebookError if the kernel dies.

        Unlike jupyter_client's execute_interactive it ends also if the kernel has dropped the message that ends the
        output. Our own kernels log their output themselves (gateway/worker/start_output.py).
        """
        message_id = client.execute(code, allow_stdin=False, **options)  # nobody could answer an input()
        reply = asyncio.ensure_future(read_reply(client, message_id))
        tasks: list[asyncio.Future[Any]] = [reply]
        if not self.parent.notebook.is_ours:
            tasks.append(asyncio.ensure_future(print_output(client, message_id, reply, self._max_output())))
        try:
            while (await asyncio.wait(tasks, timeout=ALIVE_POLL))[1]:
                if not await self.get_kernel(kernel_id).is_alive():
                    raise _kernel_died(cell)
            for task in tasks:
                task.result()
            return reply.result()
        finally:
            for task in tasks:
                task.cancel()

    def _max_output(self) -> int:
        megabytes: int = self.parent.slot.max_output_mb
        return megabytes * 1024 * 1024


def _kernel_died(cell: int | None) -> NotebookError:
    if cell is None:
        return NotebookError.outside_cells("KernelDied", "the kernel ended outside of the cells")
    value = "the kernel ended while it ran this cell (exit(), a crash, or out of memory)"
    return NotebookError.in_cell(cell, {"ename": "KernelDied", "evalue": value})
