"""The gateway of one slot: KernelGatewayApp on unix sockets, with readiness, a clear failure and draining."""

import asyncio
import json
import logging
import sys
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from kernel_gateway.gatewayapp import KernelGatewayApp
from tornado import netutil, web
from tornado.httpserver import HTTPServer

from gateway.failure import NotebookError
from gateway.seeding import SeedingManager
from gateway.settings import GatewaySettings

BACKLOG = 128
NOTEBOOK_FAILED = 3  # exit status: supervisord does not try again (conf/supervisord.conf.j2)


class GatewayApp(KernelGatewayApp):  # type: ignore[misc]
    """Listens on its admin socket at once, on its data socket when every kernel has run the notebook."""

    def __init__(self, slot: GatewaySettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slot = slot
        self.ready = False
        self.stopping = False
        self.status = 0
        self.sockets: list[Any] = []

    def initialize(self, argv: list[str] | None = None, new_httpserver: bool = True) -> None:
        """Load the notebook and start the pool; raises NotebookError where that cannot work."""
        self.api = "gateway.personality"
        self.base_url = "/invoke"
        self.seed_uri = str(self.slot.notebook)
        self.prespawn_count = self.slot.kernels
        self.kernel_manager_class = SeedingManager
        self.config.KernelManager.transport = "ipc"  # nginx is the only program that listens on TCP
        try:
            super().initialize(argv or [], new_httpserver)
        except NoSuchKernel as error:
            raise NotebookError.outside_cells(
                "NoSuchKernel", f"the notebook asks for the kernel {error.name!r}, which is not installed"
            ) from error
        except RuntimeError as error:
            raise NotebookError.outside_cells("NoEndpoints", str(error)) from error

    def _load_notebook(self, uri: str) -> Any:
        try:
            notebook = nbformat.reads(self.slot.notebook.read_text(encoding="utf-8"), as_version=4)
            cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
            reason = f"{self.slot.notebook.name} is not a notebook: {error}"
            raise NotebookError.outside_cells("NotANotebook", reason) from error
        if not cells:
            raise NotebookError.outside_cells("NoEndpoints", "the notebook has no code cell")
        # A notebook that was never opened in Jupyter names no kernel.
        notebook.metadata.setdefault("kernelspec", {"name": "python3"})
        self.kernel_spec_manager.get_kernel_spec(notebook.metadata.kernelspec.name)
        return notebook

    def init_http_server(self) -> None:
        """Make the API's server, which does not listen yet, and the admin server, which does."""
        self.http_server = HTTPServer(self.web_app, max_buffer_size=2**40)
        routes = [("/status", StatusHandler, {"app": self})]
        admin = HTTPServer(web.Application(routes, log_function=lambda handler: None))
        admin.add_socket(netutil.bind_unix_socket(str(self.slot.admin_socket), mode=0o600))

    def listen(self) -> None:
        """Take requests: every kernel has run the notebook."""
        self.sockets = [netutil.bind_unix_socket(str(self.slot.socket), mode=0o600, backlog=BACKLOG)]
        self.http_server.add_sockets(self.sockets)
        self.ready = True
        self.log.info("%s is being served by %s", self.slot.notebook, self.slot.slot)

    def fail(self, error: NotebookError) -> None:
        """End, and leave behind why the notebook does not run."""
        self.status = report(self.slot, error)
        self.stop()

    def stop(self, from_signal: bool = False) -> None:
        """Finish what has been sent to this slot, then end."""
        if not self.stopping:
            self.stopping = True
            self.io_loop.add_callback_from_signal(self._drain)

    async def _drain(self) -> None:
        """Answer every request that has reached the data socket, also those still in its backlog.

        Callers are already being sent to the other slot, so the backlog only shrinks; a listening socket
        that is closed with connections in it would reset them.
        """
        for listener in self.sockets:
            while (connection := _accept(listener)) is not None:
                self.http_server._handle_connection(connection, "")
        self.http_server.stop()
        while self.http_server._connections:
            await asyncio.sleep(0.01)
        await self.kernel_manager.shutdown_all(now=True)
        self.io_loop.stop()

    def start(self) -> None:
        """Run until a signal or a failing notebook ends it."""
        self.io_loop.start()


class StatusHandler(web.RequestHandler):
    """What the control app asks: {"ready": bool, "endpoints": [{"method", "path"}, …]}."""

    def initialize(self, app: GatewayApp) -> None:
        self.app = app

    def get(self) -> None:
        endpoints = self.app.personality.endpoints() if self.app.ready else []
        self.finish(json.dumps({"ready": self.app.ready, "endpoints": endpoints}))

    def log_exception(self, *args: Any) -> None:
        logging.getLogger("gateway").exception("status")


def _accept(listener: Any) -> Any | None:
    try:
        return listener.accept()[0]
    except BlockingIOError:
        return None


def report(slot: GatewaySettings, error: NotebookError) -> int:
    """Say why the notebook does not run: to the log, and to the control app; returns the exit status."""
    print(error.failure.traceback or error, flush=True)
    error.failure.write(slot.failure_file)
    return NOTEBOOK_FAILED


def main() -> None:
    """`python -m gateway <slot>`."""
    slot = GatewaySettings.load(sys.argv[1])
    app = GatewayApp(slot)
    try:
        app.initialize()
    except NotebookError as error:
        sys.exit(report(slot, error))
    app.start()
    sys.exit(app.status)
