"""The socket on which the workers of a slot report, and over which they get the listening socket."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.protocol import messages

LONGEST_LINE = 16 * 1024 * 1024


class WorkerChannel:
    """A worker's connection: messages in, messages out, end of file when it dies."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._partial = b""

    async def receive(self) -> messages.Message | None:
        """The next message; None when the worker is gone."""
        loop = asyncio.get_running_loop()
        while b"\n" not in self._partial:
            try:
                data = await loop.sock_recv(self._connection, 65536)
            except OSError:
                data = b""
            if not data or len(self._partial) > LONGEST_LINE:
                return None
            self._partial += data
        line, _, self._partial = self._partial.partition(b"\n")
        return messages.decode(line)

    async def send(self, message: messages.Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send a message, with descriptors on its first byte; one to a worker that is gone is lost."""
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
    """Listens for workers, and hands each to whoever waits for that kernel."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.setblocking(False)
        self._expected: dict[str, asyncio.Future[WorkerChannel]] = {}
        self._task = asyncio.ensure_future(self._accept())

    def expect(self, kernel_id: str) -> "asyncio.Future[WorkerChannel]":
        """The channel of that kernel's worker, once it has said hello."""
        return self._expected.setdefault(kernel_id, asyncio.get_running_loop().create_future())

    def forget(self, kernel_id: str) -> None:
        """Nobody waits for that kernel any more."""
        self._expected.pop(kernel_id, None)

    def close(self) -> None:
        self._task.cancel()
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            connection.setblocking(False)
            # One that connects and says nothing must not keep the next from being heard.
            run_in_background(self._welcome(WorkerChannel(connection)))

    async def _welcome(self, channel: WorkerChannel) -> None:
        hello = await channel.receive()
        expected = self._expected.pop(hello.get("kernel", ""), None) if hello else None
        if expected is None or expected.done():
            channel.close()
        else:
            expected.set_result(channel)


_running: set["asyncio.Task[Any]"] = set()


def run_in_background(work: Any) -> "asyncio.Task[Any]":
    """Run a coroutine beside others; asyncio itself keeps only weak references to tasks."""
    task: asyncio.Task[Any] = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
