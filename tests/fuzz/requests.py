"""Generates requests: valid ones with everything in them that may vary, and others that are damaged.

Plain random numbers and not hypothesis, which takes longer for one request than its answer does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+.^_`|~-"
# Of each kind that is treated differently somewhere: ASCII, separators, controls, two to four bytes in UTF-8.
LETTERS = [*map(chr, range(128)), *"éß\x85\xa0ÿ\u0394\u2028\u202e\ufeff\ufffd\ufffe日本👩🚀\U0010ffff"]
VALUE = [*map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x100)])]
# Headers that a program on the way understands: framing and what nginx sets itself are left out.
KNOWN = [
    *["Accept", "Accept-Encoding", "Accept-Language", "Cookie", "Forwarded", "If-Match", "If-Modified-Since"],
    *[
        "If-None-Match",
        "If-Range",
        "Origin",
        "Pragma",
        "Prefer",
        "Range",
        "Referer",
        "Sec-Fetch-Dest",
        "Sec-Fetch-Mode",
    ],
    *["Sec-Fetch-Site", "TE", "Trailer", "Upgrade", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host"],
    *["X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Original-URL", "X-Accel-Redirect"],
]
TYPES = [
    *["", "text/plain", "application/json", "application/vnd.api+json; charset=utf-16", "application/octet-stream"],
    *["application/x-www-form-urlencoded", "multipart/form-data; boundary=B", "multipart/form-data", ";"],
]


@dataclass(frozen=True)
class Request:
    """`segment` is the decoded last segment of `target`, which is /invoke/echo/<segment>?<query>."""

    method: str
    segment: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    sizes: list[int] = field(default_factory=list)  # of chunks; without any the body is sent with its length

    def encode(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: test\r\n{lines}".encode("latin-1")
        if self.sizes:
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + self._chunks()
        length = b"Content-Length: %d\r\n" % len(self.body) if self.body or self.method == "POST" else b""
        return head + length + b"\r\n" + self.body

    def _chunks(self) -> bytes:
        rest, chunks = self.body, []
        for size in [*self.sizes, len(self.body)]:
            if part := rest[:size]:
                chunks.append(b"%x\r\n%b\r\n" % (len(part), part))
            rest = rest[size:]
        return b"".join(chunks) + b"0\r\n\r\n"


def text(random: Random, longest: int, letters: Sequence[str] = LETTERS, shortest: int = 0) -> str:
    return "".join(random.choices(letters, k=random.randint(shortest, longest)))


def headers(random: Random, names: Sequence[str] = KNOWN) -> list[tuple[str, str]]:
    """Some, as HTTP has them: no control characters in a value, no blanks at either end."""

    def header() -> tuple[str, str]:
        name = random.choice(names) if random.random() < 0.6 else f"X-{text(random, 15, TOKEN, 1)}"
        return name, text(random, 40, VALUE).strip()

    return [header() for _ in range(random.randrange(6))]


def valid(random: Random) -> Request:
    """A request whose every part may be anything that HTTP allows there."""
    segment = "." if random.random() < 0.01 else text(random, 15, shortest=1)
    safe = random.choice(["", ":@!$&*+,;=~"])
    query = [(text(random, 8), text(random, 8)) for _ in range(random.randrange(4))]
    target = f"/invoke/echo/{quote(segment, safe=safe)}" + (f"?{urlencode(query)}" if query else "")
    method = random.choice(["GET", "POST", "POST", "HEAD", "PATCH", "OPTIONS"])
    if method not in ("POST", "PATCH"):
        return Request(method, segment, target, headers(random))
    kind = random.choice(TYPES)
    fields = [*headers(random), *([("Content-Type", kind)] if kind else [])]
    sizes = [random.randint(1, 50) for _ in range(random.randrange(4))]
    return Request(method, segment, target, fields, body(random), sizes)


def body(random: Random) -> bytes:
    kinds = [
        lambda: random.randbytes(random.randrange(300)),
        lambda: text(random, 100).encode(),
        lambda: json.dumps(tree(random), ensure_ascii=False).encode(),
        lambda: urlencode([(text(random, 5), text(random, 20)) for _ in range(4)]).encode(),
    ]
    return random.choice(kinds)()


def tree(random: Random, depth: int = 0) -> Any:
    """Any JSON."""
    kind = random.randrange(8 if depth < 4 else 6)
    if kind < 6:
        scalars = [None, True, random.getrandbits(random.randint(1, 90)), random.uniform(-9, 9), 1e300, text(random, 9)]
        return scalars[kind]
    items = [tree(random, depth + 1) for _ in range(random.randrange(4))]
    return items if kind == 6 else {text(random, 5): item for item in items}


PIECES = [
    *[b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b"\xff", b"\x7f", b"0\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1"],
    *[b"HTTP/1.0", b"HTTP/2.0", b"http://x/", b"%", b"%2f", b"%00", b"/..", b"?", b"#", b"//", b"-1", b"+5", b"0x5"],
    *[b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n"],
    *[b"Transfer-Encoding: identity\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"],
    *[b" folded\r\n", b"GET /invoke/echo/second HTTP/1.1\r\n\r\n", b"x" * 70_000],
]


def damaged(random: Random) -> bytes:
    """Bytes that once were a request."""
    raw = valid(random).encode()
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(raw))
        piece = random.choice(PIECES) if random.random() < 0.7 else random.randbytes(random.randrange(4))
        raw = raw[:at] + piece + raw[at + random.randrange(7) :]
    return raw
