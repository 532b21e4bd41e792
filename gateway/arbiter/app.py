"""The gateway of one slot: KernelGatewayApp on unix sockets, with readiness, a clear failure and draining."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from kernel_gateway.gatewayapp import KernelGatewayApp
from tornado import netutil
from tornado.httpserver import HTTPServer

from gateway.arbiter import admin, prefork
from gateway.arbiter.observer import Observer
from gateway.arbiter.seeding import PREFORK, SeedingManager
from gateway.arbiter.settings import GatewaySettings
from gateway.notebook.failure import NotebookError
from gateway.notebook.kernel_specs import KernelSpecs
from gateway.notebook.loader import Notebook, load

NOTEBOOK_FAILED = 3  # exit status: supervisord does not try again (conf/supervisord.conf.j2)


class GatewayApp(KernelGatewayApp):  # type: ignore[misc]
    """Binds its sockets at once, so that callers wait in the backlog; `ready` once the notebook has run."""

    def __init__(self, slot: GatewaySettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slot = slot
        # KernelGatewayApp has read its own variables (KG_…) by now.
        self.notebook: Notebook = load(slot.notebook, self.force_kernel_name or None)
        if not self.notebook.is_ours:
            prefork.discard()
        self.ready = False
        self.beginning: asyncio.Task[Any] | None = None
        self.stopping = False
        self.status = 0

    def initialize(self, argv: list[str] | None = None, new_httpserver: bool = True) -> None:
        """Bind, read the notebook's endpoints; raises NotebookError where there are none."""
        path = str(self.slot.socket)
        self.listener = netutil.bind_unix_socket(path, mode=0o600, backlog=self.slot.queue_limit)
        # Kernels of Python answer HTTP themselves, those of other languages by way of stock's handlers.
        self.api = "gateway.arbiter.personality" if self.notebook.is_ours else "gateway.stock.personality"
        self.base_url = "/invoke"
        self.seed_uri = str(self.slot.notebook)
        self.prespawn_count = self.slot.kernels
        self.kernel_manager_class = SeedingManager
        # jupyter_client would restart a dead kernel, but not run the notebook in it.
        self.config.KernelManager.autorestart = False
        self.config.KernelManager.transport = "ipc"  # nginx is the only program that listens on TCP
        if self.notebook.is_ours:
            self.config.KernelProvisionerFactory.default_provisioner_name = PREFORK.name
        self.kernel_spec_manager_class = KernelSpecs
        super().initialize(argv or [], new_httpserver)

    def _load_notebook(self, uri: str) -> Any:
        return self.notebook.content

    def init_http_server(self) -> None:
        """Make stock's server, which gets the data socket from its personality, and the admin server."""
        self.http_server = HTTPServer(self.web_app, max_buffer_size=self.slot.max_body_mb * 1024 * 1024)
        admin_server = HTTPServer(admin.application(self))
        admin_server.add_socket(netutil.bind_unix_socket(str(self.slot.admin_socket), mode=0o600))

    @cached_property
    def observer(self) -> Observer:
        """Tells the control app of the requests that this process answers itself, and of kernels that die."""
        return Observer(self.slot, self.base_url, self.personality.status()["endpoints"])

    async def begin(self, start: Callable[[], Awaitable[None]]) -> None:
        """Bring the kernels up with `start`, then be ready; end where that fails."""
        self.beginning = asyncio.current_task()
        try:
            await start()
        except NotebookError as error:
            self.fail(error)
        except Exception as error:
            self.log.exception("The kernels could not be started.")
            self.fail(NotebookError.outside_cells(type(error).__name__, str(error)))
        else:
            self.ready = True
            self.log.info("%s is being served by the slot %s.", self.slot.notebook, self.slot.slot)

    def fail(self, error: NotebookError) -> None:
        """End, and leave behind why the notebook does not run."""
        self.status = report(self.slot, error)
        self.stop()

    def _signal_stop(self, _signal: int, _frame: object) -> None:
        self.log.info("The slot %s is being stopped.", self.slot.slot)  # stock calls it critical
        self.stop(from_signal=True)

    def stop(self, from_signal: bool = False) -> None:
        """Finish what has been sent to this slot, then end."""
        if not self.stopping:
            self.stopping = True
            self.io_loop.add_callback_from_signal(self._drain)

    async def _drain(self) -> None:
        """Answer every request that has reached the data socket, also those still in its backlog.

        A listening socket that is closed with connections in it would reset them. Callers are being sent
        elsewhere, or find no socket any more, so the backlog only shrinks.
        """
        self.slot.socket.unlink(missing_ok=True)
        try:
            await self._give_up_start()
            await self.personality.drain()
            await self.observer.recorder.flush()
            await self.kernel_manager.shutdown_all(now=True)
        except Exception:
            self.log.exception("Not everything was ended in order.")
        self.io_loop.stop()

    async def _give_up_start(self) -> None:
        """End kernels that are still being started: by their starter, as two who end one kernel may wait for ever."""
        if self.beginning and not self.beginning.done():
            self.beginning.cancel()
            await asyncio.wait([self.beginning])

    def start(self) -> None:
        """Run until a signal or a failing notebook ends it."""
        self.io_loop.start()


def report(slot: GatewaySettings, error: NotebookError) -> int:
    """Say why the notebook does not run: to the log, and to the control app; returns the exit status."""
    print(error.failure.traceback or error, flush=True)
    error.failure.write(slot.failure_file)
    return NOTEBOOK_FAILED


def main() -> None:
    """`python -m gateway <slot>`."""
    slot = GatewaySettings.load(sys.argv[1])
    try:
        app = GatewayApp(slot)
        app.initialize()
    except NotebookError as error:
        sys.exit(report(slot, error))
    app.start()
    sys.exit(app.status)
