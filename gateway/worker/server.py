"""The HTTP server of a kernel: wires its parts, and tracks its connections."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.protocol.messages import Config
from gateway.protocol.scoreboard import Scoreboard
from gateway.records.recorder import Recorder
from gateway.worker import background, programs
from gateway.worker.acceptor import Acceptor
from gateway.worker.connection import Connection, Context
from gateway.worker.dispatch import Dispatcher
from gateway.worker.endpoint import CompiledEndpoint
from gateway.worker.error_response import ErrorResponses
from gateway.worker.output import CURRENT
from gateway.worker.runner import Runner
from gateway.worker.time_limit import Watchdog


class Server:
    """Serves `endpoints`, those of `config` in order, on `listener`."""

    def __init__(
        self,
        shell: Any,
        listener: socket.socket,
        scoreboard: Scoreboard,
        config: Config,
        endpoints: Sequence[CompiledEndpoint],
    ) -> None:
        self.recorder: Recorder | None = None
        if config.records:
            paths = [endpoint.path for endpoint in config.endpoints]
            self.recorder = Recorder(Path(config.records), config.project, paths, keeps_records=config.inspect)
        self._acceptor = Acceptor(listener, self._on_connection, round_robin=config.kernels > 1)
        self._connections: set[Connection] = set()
        self._on_drained: Callable[[], None] | None = None
        watchdog = Watchdog(min((endpoint.limit_s for endpoint in endpoints), default=config.request_timeout_s))
        errors = ErrorResponses(config.show_traceback)
        self._runner = Runner(shell, scoreboard, watchdog, errors, config.max_output_bytes)
        os.register_at_fork(after_in_child=self._on_fork)
        self._context = Context(
            loop=asyncio.get_running_loop(),
            acceptor=self._acceptor,
            dispatcher=Dispatcher(config, endpoints),
            runner=self._runner,
            recorder=self.recorder,
            max_body_bytes=config.max_body_bytes,
            on_close=self._on_close,
        )

    def start(self) -> None:
        """Redirect the output of cells, log failures outside of requests, and accept connections."""
        self._runner.install()
        programs.install()
        background.report_failures(self._context.loop)
        self._acceptor.start()

    def drain(self, on_drained: Callable[[], None]) -> None:
        """Respond to all requests that have arrived, accept nothing more, then call `on_drained`."""

        def on_empty() -> None:
            self._on_drained = on_drained
            self._check_drained()

        self._acceptor.drain(on_empty)

    def _on_connection(self, sock: socket.socket) -> bool:
        connection = Connection(sock, self._context)
        self._connections.add(connection)
        return connection.start()

    def _on_close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._check_drained()

    def _check_drained(self) -> None:
        if self._on_drained and not self._connections:
            on_drained, self._on_drained = self._on_drained, None
            on_drained()

    def _on_fork(self) -> None:
        """In a process that a cell forked: close the copies of the sockets that the original uses."""
        self._runner.is_forked = True
        if output := CURRENT.get():
            output.close_copy()
        self._acceptor.close_inherited()
        for connection in self._connections:
            connection.close_copy()
