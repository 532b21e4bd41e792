"""Turns a kernel into a worker: the handshake with the arbiter, then the server."""

import asyncio
import gc
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from IPython.core.getipython import get_ipython

from gateway.protocol.messages import Cell, Config, Endpoint, Message, read_static
from gateway.protocol.scoreboard import Scoreboard
from gateway.worker import process, start_output
from gateway.worker.channel import ArbiterChannel
from gateway.worker.compiler import CellError, CompileError
from gateway.worker.endpoint import CellEndpoint, CompiledEndpoint
from gateway.worker.server import Server


def start(channel_path: str, kernel_id: str) -> None:
    """Report to the arbiter at `channel_path`, and serve its configuration as soon as the event loop runs on.

    Cells that do not compile are reported to the arbiter, not raised. OSError, ValueError: the handshake failed.
    """
    shell: Any = get_ipython()
    process.die_with_parent()
    channel = ArbiterChannel(channel_path)
    channel.send({"did": "hello", "kernel": kernel_id, "pid": os.getpid()})
    config, listener_fd, scoreboard_fd = channel.receive_config()
    listener, scoreboard = socket.socket(fileno=listener_fd), Scoreboard(scoreboard_fd)
    try:
        endpoints = _compile(shell, config)
    except CompileError as error:
        channel.send({"did": "failed", "errors": [asdict(each) for each in error.errors]})
        listener.close()
        return
    channel.send({"did": "compiled", **_describe(endpoints)})
    config = replace(config, static=config.static | read_static(channel.receive()["static"]))
    # Not before the cell that calls this has ended: IPython and ipykernel then restore sys.stdout and input(), which
    # would undo our changes.
    asyncio.get_running_loop().call_soon(_serve, channel, Server(shell, listener, scoreboard, config, endpoints))


def _compile(shell: Any, config: Config) -> list[CompiledEndpoint]:
    endpoints: list[CompiledEndpoint] = []
    errors: list[CellError] = []
    for index, endpoint in enumerate(config.endpoints):
        try:
            endpoints.append(_compile_one(shell, index, endpoint, config))
        except CompileError as error:
            if config.allow_broken:
                endpoints.append(_compile_one(shell, index, _substitute(endpoint, error), config))
            else:
                errors += error.errors
    if errors:
        raise CompileError(errors)
    return endpoints


def _compile_one(shell: Any, index: int, endpoint: Endpoint, config: Config) -> CompiledEndpoint:
    """CompileError: a cell does not compile, or its function cannot be bound."""
    if endpoint.function is None:
        return CellEndpoint(shell, index, endpoint, config.request_timeout_s)
    # Here, because it imports pydantic, which no other notebook is to wait for.
    from gateway.worker.function_endpoint import FunctionEndpoint

    return FunctionEndpoint(shell, index, endpoint, config.request_timeout_s)


def _describe(endpoints: Sequence[CompiledEndpoint]) -> dict[str, Any]:
    """What OpenAPI says of the functions among the endpoints."""
    if all(isinstance(endpoint, CellEndpoint) for endpoint in endpoints):
        return {"functions": {}, "schemas": {}}
    from gateway.worker import function_schema

    return function_schema.describe(endpoints)


def _substitute(endpoint: Endpoint, error: CompileError) -> Endpoint:
    """A substitute for an endpoint that does not compile, which raises that error."""
    cell = Cell(endpoint.cells[0].number, f"raise SyntaxError({str(error)!r})")
    return replace(endpoint, cells=(cell,), response_cells=(), function=None)


def _serve(channel: ArbiterChannel, server: Server) -> None:
    def on_drained() -> None:
        channel.send({"did": "drained"})

    def on_message(message: Message) -> None:
        if message["do"] == "drain":
            server.drain(lambda: server.recorder.flush_then(on_drained) if server.recorder else on_drained())
        elif message["do"] == "ping":
            channel.send({"did": "pong", "can_accept": process.can_open_files()})

    os.register_at_fork(after_in_child=channel.close)
    process.refuse_input()
    start_output.end()
    gc.freeze()  # what exists now stays alive anyway: no collection need look at it
    server.start()
    channel.listen(on_message)
    channel.send({"did": "ready"})
