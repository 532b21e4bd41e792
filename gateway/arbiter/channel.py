"""The arbiter's end of the channels to its workers, over which they get the listening socket."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.protocol import messages

MAX_LINE = 16 * 1024 * 1024
ACCEPT_PAUSE = 0.1  # seconds


class WorkerChannel:
    """The connection to one worker; end of file means that it died."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    async def receive(self) -> messages.Message | None:
        """The next message; None if the worker has died."""
        loop = asyncio.get_running_loop()
        while b"\n" not in self._buffer:
            try:
                data = await loop.sock_recv(self._connection, 65536)
            except OSError:
                data = b""
            if not data or len(self._buffer) > MAX_LINE:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return messages.decode(line)

    async def send(self, message: messages.Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send a message, with descriptors on its first byte; does nothing if the worker has died."""
        data = messages.encode(message)
        with suppress(OSError):
            if descriptors:
                # The first byte, alone, fits any buffer, so this cannot block.
                socket.send_fds(self._connection, [data[:1]], list(descriptors))
                data = data[1:]
            await asyncio.get_running_loop().sock_sendall(self._connection, data)

    def close(self) -> None:
        self._connection.close()


class WorkerChannels:
    """Accepts connections of workers, by kernel id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.setblocking(False)
        self._pending: dict[str, asyncio.Future[WorkerChannel]] = {}
        self._task = asyncio.ensure_future(self._accept())

    def register(self, kernel_id: str) -> "asyncio.Future[WorkerChannel]":
        """The future channel of that kernel's worker, done after its handshake."""
        return self._pending.setdefault(kernel_id, asyncio.get_running_loop().create_future())

    def unregister(self, kernel_id: str) -> None:
        self._pending.pop(kernel_id, None)

    def close(self) -> None:
        self._task.cancel()
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError:  # no file descriptors are left for now
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            connection.setblocking(False)
            # In the background, as a peer that sends nothing must not delay the next.
            run_in_background(self._handshake(WorkerChannel(connection)))

    async def _handshake(self, channel: WorkerChannel) -> None:
        hello = await channel.receive()
        pending = self._pending.pop(hello.get("kernel", ""), None) if hello else None
        if pending is None or pending.done():
            channel.close()
        else:
            pending.set_result(channel)


_running: set["asyncio.Task[Any]"] = set()


def run_in_background(work: Any) -> "asyncio.Task[Any]":
    """Run a coroutine as a task; asyncio itself has only weak references to tasks."""
    task: asyncio.Task[Any] = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
