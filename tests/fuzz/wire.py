"""Reads responses by the letter of HTTP/1.1 (RFC 9112), so that nothing that is not one passes for one."""

import re
from dataclasses import dataclass
from typing import BinaryIO

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t -~\x80-\xff]*\r\n")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t -~\x80-\xff]*?)[\t ]*\r\n")
LONGEST_LINE = 64 * 1024


class WrongAnswer(Exception):
    """What came is not what the request asked for."""


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return "close" in self.headers.get("connection", "").lower()


def read_answer(stream: BinaryIO, method: str) -> Answer | None:
    """The next final response, None if the stream has ended. WrongAnswer: it is none."""
    while True:
        line = stream.readline(LONGEST_LINE)
        if not line:
            return None
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise WrongAnswer(f"no status line: {line[:200]!r}")
        status, headers = int(match[1]), _read_headers(stream)
        if status >= 200:
            return Answer(status, headers, _read_body(stream, status, headers, method))


def _read_headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := stream.readline(LONGEST_LINE)) != b"\r\n":
        match = FIELD_LINE.fullmatch(line)
        if not match:
            raise WrongAnswer(f"no header: {line[:200]!r}")
        name = match[1].decode().lower()
        if name in headers and name in ("content-length", "transfer-encoding", "x-request-id"):
            raise WrongAnswer(f"{name} twice")
        headers[name] = match[2].decode("latin-1")
    return headers


def _read_body(stream: BinaryIO, status: int, headers: dict[str, str], method: str) -> bytes:
    if method == "HEAD" or status in (204, 304):
        return b""
    if "transfer-encoding" in headers:
        return _read_chunks(stream)
    if "content-length" not in headers:
        return stream.read()
    size = int(headers["content-length"])
    body = stream.read(size)
    if len(body) < size:
        raise WrongAnswer(f"{len(body)} bytes of a body of {size}")
    return body


def _read_chunks(stream: BinaryIO) -> bytes:
    body = b""
    while size := int(stream.readline(LONGEST_LINE), 16):
        body += stream.read(size)
        if stream.read(2) != b"\r\n":
            raise WrongAnswer("a chunk without its end")
    if stream.readline(LONGEST_LINE) != b"\r\n":
        raise WrongAnswer("chunks without their end")
    return body
