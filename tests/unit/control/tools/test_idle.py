"""The server ends once nobody asks, and not before."""

import asyncio
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from control.tools.idle import IdleServer

LIMIT = 0.3  # seconds


async def respond(_scope: dict[str, Any], _receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    await asyncio.sleep(3 * LIMIT)  # a call that takes longer than the limit
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


def test_it_ends_after_a_while_without_a_request_and_not_during_one() -> None:
    async def ask(path: Path) -> tuple[bytes, float]:
        """The response, and when it was there."""
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        response = await reader.read()
        writer.close()
        return response, time.monotonic()

    async def serve_and_ask(path: Path) -> tuple[bytes, float, float]:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            config = uvicorn.Config(respond, lifespan="off", log_level="warning", ws="none")  # type: ignore[arg-type]
            server = asyncio.create_task(IdleServer(config, LIMIT).serve([listener]))
            response, answered = await ask(path)
            await asyncio.wait_for(server, 10)
            return response, answered, time.monotonic()

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        response, answered, ended = asyncio.run(serve_and_ask(Path(folder) / "s"))

    assert response.startswith(b"HTTP/1.1 204")
    assert ended - answered >= LIMIT
