"""The worker's end of the channel to the arbiter; gateway.protocol.messages describes the messages."""

import asyncio
import os
import socket
from collections.abc import Callable

from gateway.protocol.messages import Config, Message, decode, encode

_HANDSHAKE_S = 30.0


class ArbiterChannel:
    """A connection to the arbiter, which listens at `path`. OSError: it does not."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_HANDSHAKE_S)
        self._socket.connect(path)
        self._buffer = b""

    def send(self, message: Message) -> None:
        self._socket.sendall(encode(message))

    def receive_config(self) -> tuple[Config, int, int]:
        """The configuration, the descriptor of the listening socket and that of the scoreboard.

        ConnectionError: the arbiter closed. TimeoutError: it sends nothing. ValueError: it sends something else.
        """
        self._buffer, fds, _, _ = socket.recv_fds(self._socket, 65536, 2, socket.MSG_CMSG_CLOEXEC)
        message = self.receive()
        if message.get("do") != "serve" or len(fds) != 2:
            raise ValueError(f"expected a configuration and two descriptors, not {message} and {fds}")
        return Config.from_json(message["config"]), fds[0], fds[1]

    def receive(self) -> Message:
        """The next message. Raises as `receive_config` does."""
        while b"\n" not in self._buffer:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the arbiter closed the channel during the handshake")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return decode(line)

    def listen(self, on_message: Callable[[Message], None]) -> None:
        """From now on call `on_message` with each message. When the arbiter dies, this process exits."""
        self._socket.setblocking(False)

        def on_readable() -> None:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                os._exit(1)
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                on_message(decode(line))

        asyncio.get_running_loop().add_reader(self._socket, on_readable)

    def close(self) -> None:
        self._socket.close()
