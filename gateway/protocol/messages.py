"""The messages between the arbiter and a worker: lines of JSON over a unix stream socket.

    worker  → arbiter  {"did": "hello", "kernel": "<id>", "pid": 4711}
    arbiter → worker   {"do": "serve", "config": Config} with two descriptors (SCM_RIGHTS) on its first byte:
                       the listening socket, then the scoreboard's memory
    worker  → arbiter  {"did": "compiled", "functions": {…}, "schemas": {…}}: what OpenAPI says of its functions
                       or {"did": "failed", "errors": [{"cell": 3, "line": 2, "message": "SyntaxError: …"}]}
    arbiter → worker   {"do": "accept", "static": Config.static}: documents to serve besides
    worker  → arbiter  {"did": "ready"}, and from then on it accepts
    arbiter → worker   {"do": "ping"}: whether its main loop runs, and can accept connections
    worker  → arbiter  {"did": "pong", "can_accept": false}: no file descriptors are left
    arbiter → worker   {"do": "drain"}: finish what is in the backlog and in flight, accept nothing more
    worker  → arbiter  {"did": "drained"}

When the arbiter closes the channel, it has died, and the worker exits. Both sides import this module, so it
imports nothing heavy.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: `number` is the N of `In[N]` in tracebacks, `source` what the author typed."""

    number: int
    source: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One verb and path: its cells in notebook order, and its ResponseInfo cells if it has any.

    `path` is as annotated ("/a/:b/c"), below the API's addresses. `limit_s` overrides Config.request_timeout_s.
    `function` is the name of the function that is called for each request, if the endpoint's one cell defines one and
    has run.
    """

    method: str
    path: str
    cells: tuple[Cell, ...]
    response_cells: tuple[Cell, ...] = ()
    limit_s: float | None = None
    function: str | None = None


class StaticText(NamedTuple):
    """A text that is served as it is, for GET, with its content type.

    `own_text` is served in its place at the API's own address, if that is another text.
    """

    kind: str
    text: str
    own_text: str | None = None

    def at(self, *, own_address: bool) -> str:
        return self.text if self.own_text is None or not own_address else self.own_text


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a worker.

    `project` is for records of requests; `address` is the API's own, percent-encoded (gateway/http/address.py).
    `static` is by path below its addresses; `public` is a folder of files that are served below `/public` there. With
    `allow_broken`, an endpoint that does not compile responds with 500; without, the worker serves nothing then.
    `records` is the control app's socket for request counts and, with `inspect`, for records of the requests.
    """

    endpoints: tuple[Endpoint, ...]
    project: str = ""
    address: str = "/invoke"
    kernels: int = 1  # that accept from the same socket
    request_timeout_s: float = 60.0
    max_body_bytes: int = 100 * 1024 * 1024
    max_output_bytes: int = 10 * 1024 * 1024
    show_traceback: bool = False
    static: dict[str, StaticText] = field(default_factory=dict)
    public: str | None = None
    allow_broken: bool = False
    records: str | None = None
    inspect: bool = False

    def to_json(self) -> Message:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Message) -> "Config":
        """The inverse of `to_json`, also after JSON has made lists of tuples. TypeError: unknown or missing keys."""
        return cls(
            **{
                **data,
                "endpoints": tuple(_endpoint(item) for item in data["endpoints"]),
                "static": read_static(data.get("static", {})),
            }
        )


def read_static(data: Message) -> dict[str, StaticText]:
    """Config.static, of which JSON has made lists."""
    return {path: StaticText(*text) for path, text in data.items()}


def encode(message: Message) -> bytes:
    """The message as one line with its newline; json.dumps writes no other."""
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message in a line. ValueError: it is not a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"not a message: {line[:80]!r}")
    return message


def _endpoint(data: Message) -> Endpoint:
    cells = {key: tuple(Cell(**cell) for cell in data.get(key, ())) for key in ("cells", "response_cells")}
    return Endpoint(**{**data, **cells})
