"""Runs the gateway of one slot: KernelGatewayApp on unix sockets, with readiness, failures and draining."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from kernel_gateway.gatewayapp import KernelGatewayApp
from tornado import netutil
from tornado.httpserver import HTTPServer

from gateway.arbiter import admin, kernel_packages, prefork
from gateway.arbiter.observer import Observer
from gateway.arbiter.seeding import PreforkProvisioner, SeedingManager
from gateway.arbiter.settings import GatewaySettings
from gateway.http.address import DEFAULT
from gateway.notebook import variables
from gateway.notebook.failure import NotebookError
from gateway.notebook.kernel_specs import KernelSpecs, use_provisioner
from gateway.notebook.loader import Notebook, load

# Seconds for a kernel to end in order, with its `atexit` functions, as in Jupyter. The whole stack has 10 s to end
# (control/supervision/daemon.py).
SHUTDOWN_TIMEOUT = 2.0
NOTEBOOK_FAILED = 3  # exit status: supervisord does not try again (conf/api.conf.j2)


class GatewayApp(KernelGatewayApp):  # type: ignore[misc]
    """Binds its sockets at once, so that callers wait in the backlog; `ready` when the notebook has run."""

    def __init__(self, slot: GatewaySettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slot = slot
        # Here KernelGatewayApp has read its own variables (KG_…).
        self.notebook: Notebook = load(slot.notebook, self.force_kernel_name or None)
        # Read once, so that a kernel that is replaced has what the others have.
        self.variables = variables.read(slot.notebook.parent)
        if not self.notebook.is_ours:
            prefork.discard()
        self.ready = False
        self.start_task: asyncio.Task[Any] | None = None
        self.stopping = False
        self.exit_status = 0

    def initialize(self, argv: list[str] | None = None, new_httpserver: bool = True) -> None:
        """Bind, and read the notebook's endpoints; raises NotebookError if there are none."""
        path = str(self.slot.socket)
        self.listener = netutil.bind_unix_socket(path, mode=0o600, backlog=self.slot.queue_limit)
        # Python kernels serve HTTP themselves, those of other languages through stock's handlers.
        self.api = "gateway.arbiter.personality" if self.notebook.is_ours else "gateway.stock.personality"
        self.base_url = DEFAULT
        self.seed_uri = str(self.slot.notebook)
        self.prespawn_count = self.slot.kernels
        self.kernel_manager_class = SeedingManager
        # jupyter_client would restart a dead kernel, but not run the notebook in it.
        self.config.KernelManager.autorestart = False
        self.config.KernelManager.shutdown_wait_time = SHUTDOWN_TIMEOUT
        self.config.KernelManager.transport = "ipc"  # nginx is the only program that listens on TCP
        if self.notebook.is_ours:
            use_provisioner(PreforkProvisioner)
        self.kernel_spec_manager_class = KernelSpecs
        super().initialize(argv or [], new_httpserver)

    def _load_notebook(self, uri: str) -> Any:
        return self.notebook.content

    def init_http_server(self) -> None:
        """Create stock's server, whose socket the personality adds, and the admin server."""
        self.http_server = HTTPServer(self.web_app, max_buffer_size=self.slot.max_body_mb * 1024 * 1024)
        admin_server = HTTPServer(admin.application(self))
        admin_server.add_socket(netutil.bind_unix_socket(str(self.slot.admin_socket), mode=0o600))

    @cached_property
    def observer(self) -> Observer:
        """Records the requests that this process answers itself, and deaths of kernels."""
        return Observer(self.slot, self.personality.status()["endpoints"])

    async def start_serving(self, start: Callable[[], Awaitable[None]]) -> None:
        """Start the kernels with `start`, then be ready; exit if that fails."""
        self.start_task = asyncio.current_task()
        try:
            await start()
        except NotebookError as error:
            await self.exit_with_failure(error)
        except Exception as error:
            self.log.exception("The kernels could not be started.")
            await self.exit_with_failure(NotebookError.outside_cells(type(error).__name__, str(error)))
        else:
            self.ready = True
            self.log.info("%s is being served by the slot %s.", self.slot.notebook, self.slot.slot)

    async def exit_with_failure(self, error: NotebookError) -> None:
        """Report why the notebook cannot be served, and exit."""
        if self.notebook.is_ours and error.failure.cell is None:
            error = await kernel_packages.blame(error)
        self.exit_status = report(self.slot, error, self.notebook)
        self.stop()

    def _signal_stop(self, _signal: int, _frame: object) -> None:
        # Stock calls it critical.
        self.log.info("The slot %s of %s is being stopped.", self.slot.slot, self.slot.project)
        self.stop(from_signal=True)

    def stop(self, from_signal: bool = False) -> None:
        """Answer all requests that were sent to this slot, then exit."""
        if not self.stopping:
            self.stopping = True
            self.io_loop.add_callback_from_signal(self._drain)

    async def _drain(self) -> None:
        """Answer every request that has reached the data socket, also those in its backlog.

        Closing a listening socket resets the connections in its backlog. nginx connects elsewhere, or finds no socket
        any more, so the backlog only shrinks.
        """
        self.slot.socket.unlink(missing_ok=True)
        try:
            await self._cancel_start()
            await self.personality.drain()
            await self.observer.recorder.flush()
            await self.kernel_manager.shutdown_all()
        except Exception:
            self.log.exception("The shutdown was not complete.")
        self.io_loop.stop()

    async def _cancel_start(self) -> None:
        """End kernels that are still starting, through their start: two that end one kernel may wait for ever."""
        if self.start_task and not self.start_task.done():
            self.start_task.cancel()
            await asyncio.wait([self.start_task])

    def start(self) -> None:
        self.io_loop.start()


def report(slot: GatewaySettings, error: NotebookError, notebook: Notebook | None) -> int:
    """Report why the notebook cannot be served, to the log and the control app; returns the exit status."""
    print(error.failure.traceback or error, flush=True)
    failure = notebook.locate(error.failure) if notebook else error.failure
    failure.write(slot.failure_file)
    return NOTEBOOK_FAILED


def main() -> None:
    """`python -m gateway <slot's folder below RUN_DIR>`."""
    slot = GatewaySettings.load(sys.argv[1])
    os.environ |= slot.variables
    notebook = None
    try:
        app = GatewayApp(slot)
        notebook = app.notebook
        app.initialize()
    except NotebookError as error:
        sys.exit(report(slot, error, notebook))
    app.start()
    sys.exit(app.exit_status)
