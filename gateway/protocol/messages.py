"""What the arbiter and a worker say to each other: lines of JSON over a unix stream socket.

    worker  → arbiter  {"did": "hello", "kernel": "<id>", "pid": 4711}
    arbiter → worker   {"do": "serve", "config": Config} with two descriptors (SCM_RIGHTS) on its first byte:
                       the listening socket, then the page (see `page`)
    worker  → arbiter  {"did": "ready"}, and from then on it accepts
                       or {"did": "failed", "errors": [{"cell": 3, "line": 2, "message": "SyntaxError: …"}]}
    arbiter → worker   {"do": "ping"}: say that your main loop runs
    worker  → arbiter  {"did": "pong"}
    arbiter → worker   {"do": "drain"}: answer what waits in the backlog now and what is in flight
    worker  → arbiter  {"did": "drained"}

End of file from the arbiter means that it died, and ends the worker. Both sides import this module, so it
imports nothing heavy.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: `number` is the N of `In[N]` in tracebacks, `source` what the author typed."""

    number: int
    source: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One verb and path: its cells in notebook order, and its ResponseInfo cells if it has any.

    `path` is as annotated ("/a/:b/c"), below Config.base_url. `limit_s` overrides Config.request_timeout_s.
    """

    method: str
    path: str
    cells: tuple[Cell, ...]
    response_cells: tuple[Cell, ...] = ()
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All a worker needs to know.

    `static` maps a path below `base_url` to [content type, body], for GET; `public` is a folder of files that are
    served below `base_url`/public. With `allow_broken`, an endpoint that does not compile answers 500 and the
    others are served; else nothing is. `records` is the control app's socket for counts of requests and, with
    `inspect`, for the requests themselves.
    """

    endpoints: tuple[Endpoint, ...]
    base_url: str = "/invoke"
    kernels: int = 1  # how many listen on the same socket
    request_timeout_s: float = 60.0
    max_body_bytes: int = 100 * 1024 * 1024
    max_output_bytes: int = 10 * 1024 * 1024
    show_traceback: bool = False
    static: dict[str, tuple[str, str]] = field(default_factory=dict)
    public: str | None = None
    allow_broken: bool = False
    records: str | None = None
    inspect: bool = False

    def to_json(self) -> Message:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Message) -> "Config":
        """The inverse of `to_json`, also after a journey through JSON. TypeError: unknown or missing keys."""
        return cls(
            **{
                **data,
                "endpoints": tuple(_endpoint(item) for item in data["endpoints"]),
                "static": {path: (kind, body) for path, (kind, body) in data.get("static", {}).items()},
            }
        )


def encode(message: Message) -> bytes:
    """One line, newline included: JSON never contains a bare newline."""
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message in one line. ValueError: it is not a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"not a message: {line[:80]!r}")
    return message


def _endpoint(data: Message) -> Endpoint:
    cells = {key: tuple(Cell(**cell) for cell in data.get(key, ())) for key in ("cells", "response_cells")}
    return Endpoint(**{**data, **cells})
