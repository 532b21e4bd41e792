"""Requests that stop in the middle: their head is sent, and of their body only the beginning."""

import base64
import socket


class HalfSent:
    """A request on a bare connection, whose body has not come yet; closes the connection at the end of its context.

    `length` is what it announces; None: it is sent in chunks and announces nothing.
    """

    def __init__(
        self,
        port: int,
        path: str,
        length: int | None,
        auth: tuple[str, str] | None = None,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> None:
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        fields = {**(headers or {}), "Host": "test", **framing, **basic(auth)}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.is_chunked = length is None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())

    def __enter__(self) -> "HalfSent":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """More of the body; OSError where the server has closed."""
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked else data)

    def finish(self) -> int:
        """End a chunked body, and return the answer's status."""
        if self.is_chunked:
            self.socket.sendall(b"0\r\n\r\n")
        return self.status()

    def status(self) -> int:
        """The status of the answer, once its first line is there."""
        with self.socket.makefile("rb") as answer:
            line = answer.readline()
        return int(line.split()[1])


def basic(auth: tuple[str, str] | None) -> dict[str, str]:
    """The header that says who calls."""
    if auth is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"}
