"""Parses the one request of a connection, with httptools."""

import asyncio
import select
import socket

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.http.request import Headers, Request
from gateway.http.wire import CONTINUE, RejectedRequest, header_name

_MAX_HEAD_BYTES = 64 * 1024
# nginx sends a request right after it connects: a short poll is cheaper than a turn of the event loop.
_POLL_MS = 1
_buffer = memoryview(bytearray(64 * 1024))  # shared: the parser copies what it needs


class ParsedMessage:
    """The callbacks of the httptools parser, and what they have collected so far.

    It refers to its parser, which refers to it, only while that is fed: a cycle would keep bodies until the next
    garbage collection.
    """

    __slots__ = (
        "_chunks",
        "_max_body",
        "has_head",
        "headers",
        "is_complete",
        "method",
        "parser",
        "size",
        "target",
    )

    def __init__(self, max_body: int) -> None:
        self.parser: HttpRequestParser | None = None
        self.method = ""
        self.target = b""
        self.headers: Headers = {}
        self.size = 0
        self.has_head = self.is_complete = False
        self._chunks: list[bytes] = []
        self._max_body = max_body

    def on_url(self, part: bytes) -> None:
        if self.is_complete:  # the parser goes on to a second, pipelined request
            raise ValueError("one request for each connection")
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:  # a trailer, which must not pass for a header
            return
        key, text = header_name(name), value.decode("latin-1")
        if key not in self.headers:
            self.headers[key] = text
        else:
            before = self.headers[key]
            self.headers[key] = [before, text] if isinstance(before, str) else [*before, text]

    def on_headers_complete(self) -> None:
        self.has_head = True
        if self.parser is not None:  # now: later it may be at a second, pipelined request
            self.method = self.parser.get_method().decode()

    def on_body(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= self._max_body:
            self._chunks.append(data)
        else:  # go on reading, so that the client reads the response, but store nothing
            self._chunks.clear()

    def on_message_complete(self) -> None:
        self.is_complete = True

    def expects_continue(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends the body."""
        return str(self.headers.get("Expect", "")).lower() == "100-continue"

    def announces_body(self) -> bool:
        """Whether the headers say that a body follows."""
        return "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0"

    def body(self) -> bytes:
        """The whole body; a second call returns nothing. RejectedRequest: it was larger than the limit."""
        if self.size > self._max_body:
            raise RejectedRequest(413, "body-too-large", f"a body may have at most {self._max_body} bytes")
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class RequestParser:
    """Reads and parses the request of one connection."""

    def __init__(self, max_body: int) -> None:
        self._message = ParsedMessage(max_body)
        self._parser = HttpRequestParser(self._message)
        self._received = 0
        self._has_sent_continue = self._is_followed = False

    def receive(self, sock: socket.socket) -> bool:
        """Read what has arrived; returns whether the request is complete.

        RejectedRequest: it is invalid. OSError: the client has disconnected.
        """
        is_first = True
        while True:
            try:
                size = sock.recv_into(_buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if is_first and _is_readable(sock):
                    continue
                return False
            if self._feed(size):
                return True
            is_first = False

    async def receive_more(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait for more and read it; returns and raises as `receive`. `sock` must be non-blocking."""
        if not self._has_sent_continue and self._message.has_head and self._message.expects_continue():
            self._has_sent_continue = True
            await loop.sock_sendall(sock, CONTINUE)
        return self._feed(await loop.sock_recv_into(sock, _buffer))

    def request(self) -> Request:
        """The complete request. RejectedRequest: its body is too large."""
        message = self._message
        return Request(message.method, message.target, message.headers, message.body())

    def is_http_1_1(self) -> bool:
        """Whether the client understands a chunked response."""
        # Not if a second request has followed, whose version the parser has: all clients understand the other form.
        return not self._is_followed and self._parser.get_http_version() == "1.1"

    def _feed(self, size: int) -> bool:
        if not size:
            raise ConnectionResetError("the client closed before its request was complete")
        self._received += size
        message = self._message
        message.parser = self._parser
        try:
            self._parser.feed_data(_buffer[:size])
        except HttpParserUpgrade:  # a server may ignore the offer, but the parser drops the body then
            if message.announces_body():
                raise RejectedRequest(400, "bad-request", "a request with a body cannot ask for an upgrade") from None
        except HttpParserError as error:
            self._is_followed = message.is_complete  # by something that is ignored
            if not message.is_complete:
                raise RejectedRequest(400, "bad-request", f"not a request: {error}") from None
        finally:
            message.parser = None
        if not message.has_head and self._received > _MAX_HEAD_BYTES:
            raise RejectedRequest(431, "headers-too-large", f"more than {_MAX_HEAD_BYTES} bytes of headers")
        return message.is_complete


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(_POLL_MS))
