"""All that serves in this kernel, put together."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.protocol.messages import Config
from gateway.protocol.scoreboard import Scoreboard, State
from gateway.records.recorder import Recorder
from gateway.worker.acceptor import Acceptor
from gateway.worker.connection import Connection, Context
from gateway.worker.dispatch import Dispatcher
from gateway.worker.endpoint import CompiledEndpoint
from gateway.worker.error_response import ErrorResponses
from gateway.worker.process import ForkGuard
from gateway.worker.runner import Runner
from gateway.worker.time_limit import Watchdog


class Server:
    """Answers what comes in on `listener` with `handlers`, those of `config.endpoints` in order."""

    def __init__(
        self,
        shell: Any,
        listener: socket.socket,
        page: Scoreboard,
        config: Config,
        handlers: Sequence[CompiledEndpoint],
    ) -> None:
        self.recorder: Recorder | None = None
        if config.records:
            paths = [endpoint.path for endpoint in config.endpoints]
            self.recorder = Recorder(Path(config.records), paths, keeps_records=config.inspect)
        self._page = page
        self._acceptor = Acceptor(listener, self._take, in_turn=config.kernels > 1)
        self._connections: set[Connection] = set()
        self._when_drained: Callable[[], None] | None = None
        watch = Watchdog(min((handler.limit_s for handler in handlers), default=config.request_timeout_s))
        failures = ErrorResponses(config.show_traceback)
        self._runner = Runner(shell, page, watch, ForkGuard(self._let_go), failures, config.max_output_bytes)
        self._context = Context(
            loop=asyncio.get_running_loop(),
            acceptor=self._acceptor,
            dispatcher=Dispatcher(config, handlers),
            runner=self._runner,
            recorder=self.recorder,
            max_body_bytes=config.max_body_bytes,
            on_close=self._on_close,
        )

    def start(self) -> None:
        """Take over what cells print, and accept."""
        self._runner.take_over()
        self._page.set_state(State.SERVING)
        self._acceptor.start()

    def drain(self, when_drained: Callable[[], None]) -> None:
        """Answer all that has come in by now, accept nothing more, then call `when_drained`."""
        self._page.set_state(State.DRAINING)

        def is_empty() -> None:
            self._when_drained = when_drained
            self._look_whether_drained()

        self._acceptor.drain(is_empty)

    def _take(self, sock: socket.socket) -> bool:
        connection = Connection(sock, self._context)
        self._connections.add(connection)
        return connection.start()

    def _on_close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._look_whether_drained()

    def _look_whether_drained(self) -> None:
        if self._when_drained and not self._connections:
            when_drained, self._when_drained = self._when_drained, None
            when_drained()

    def _let_go(self) -> None:
        """In a process that a cell forked: close the copies of what the original goes on using."""
        self._acceptor.close_inherited()
        for connection in self._connections:
            connection.close_copy()
