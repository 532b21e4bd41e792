"""A kernel becomes a worker: the handshake with the arbiter, and what it takes to serve."""

import asyncio
import os
import socket
from dataclasses import asdict, replace
from typing import Any

from IPython.core.getipython import get_ipython

from gateway.protocol.messages import Cell, Config, Endpoint, Message
from gateway.protocol.scoreboard import Scoreboard
from gateway.worker import process
from gateway.worker.channel import ArbiterChannel
from gateway.worker.compiler import CellError, CompileError
from gateway.worker.endpoint import CompiledEndpoint
from gateway.worker.server import Server


def start(channel_path: str, kernel_id: str) -> None:
    """Report to the arbiter at `channel_path`, and serve what it says as soon as the event loop runs on.

    Cells that do not compile are reported to the arbiter, not raised. OSError, ValueError: no handshake.
    """
    shell: Any = get_ipython()
    process.die_with_parent()
    channel = ArbiterChannel(channel_path)
    channel.say({"did": "hello", "kernel": kernel_id, "pid": os.getpid()})
    config, listener_fd, page_fd = channel.receive_config()
    listener, page = socket.socket(fileno=listener_fd), Scoreboard(page_fd)
    try:
        handlers = _compile(shell, config)
    except CompileError as error:
        channel.say({"did": "failed", "errors": [asdict(each) for each in error.errors]})
        listener.close()
        return
    # Once the cell that calls this has ended: IPython and ipykernel then undo what they did to sys.stdout
    # and input() for it, and would undo ours.
    asyncio.get_running_loop().call_soon(_serve, channel, Server(shell, listener, page, config, handlers))


def _compile(shell: Any, config: Config) -> list[CompiledEndpoint]:
    handlers: list[CompiledEndpoint] = []
    errors: list[CellError] = []
    for index, endpoint in enumerate(config.endpoints):
        try:
            handlers.append(CompiledEndpoint(shell, index, endpoint, config.request_timeout_s))
        except CompileError as error:
            if config.allow_broken:
                handlers.append(CompiledEndpoint(shell, index, _broken(endpoint, error), config.request_timeout_s))
            else:
                errors += error.errors
    if errors:
        raise CompileError(errors)
    return handlers


def _broken(endpoint: Endpoint, error: CompileError) -> Endpoint:
    """An endpoint in the place of one that does not compile: it says so to each caller."""
    says = Cell(endpoint.cells[0].number, f"raise SyntaxError({str(error)!r})")
    return replace(endpoint, cells=(says,), response_cells=())


def _serve(channel: ArbiterChannel, server: Server) -> None:
    def drained() -> None:
        channel.say({"did": "drained"})

    def on_message(message: Message) -> None:
        if message["do"] == "drain":
            server.drain(lambda: server.recorder.flush_then(drained) if server.recorder else drained())
        elif message["do"] == "ping":
            channel.say({"did": "pong"})

    os.register_at_fork(after_in_child=channel.close)
    process.refuse_input()
    process.spare_the_collector()
    server.start()
    channel.listen(on_message)
    channel.say({"did": "ready"})
