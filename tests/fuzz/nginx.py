"""Paths and headers at nginx, several requests on each connection."""

import json
import socket
from collections import Counter
from itertools import count
from random import Random

from tests.fuzz import requests
from tests.fuzz.campaign import Result, run
from tests.fuzz.kernel import CELLS, DEADLINE_SECONDS
from tests.fuzz.requests import Request
from tests.fuzz.wire import Answer, WrongAnswer, read_answer
from tests.support.half_sent import basic
from tests.support.stack import API_USER, Stack

# What means something in a path to some program on the way.
PIECES = [
    *["/", "//", ".", "..", "%2e", "%2E%2e", "%2f", "%5c", "\\", ";", "?", "#", "&", "=", ":", "@", "%", "%%", "%0a"],
    *["%0d%0a", "%00", "%20", "%25", "%252f", "%ff", "%c0%af", "é", "~", "*", "+", ",", "|", "^", "`", "{", "}", "["],
    *[
        "]",
        "<",
        ">",
        '"',
        "'",
        "invoke",
        "apis",
        "echo",
        "process",
        "status",
        "healthz",
        "static",
        "jupyter",
        "docs",
        "requests",
    ],
    *["_api", "spec", "a", "x.json", "a" * 1000],
]
# Headers between nginx and the other programs.
INTERNAL = ["X-Failed-Method", "X-Failed-Target", "X-Connect-Time", "X-Failed-After", "X-Real-IP", "Proxy", "Date"]
ECHOES = ("/invoke/echo/", "/apis/echo/echo/")
STARTS = [*ECHOES, "/invoke/", "/apis/", "/", "/healthz", "/mcp", "//", "http://test/invoke/echo/"]
METHODS = ["GET", "GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE", "FOO"]
# No 5xx: no cell fails, and nothing is overloaded. (503: at the address of an API that is not served.)
STATUSES = frozenset({200, 204, 206, 301, 302, 303, 304, 308, 400, 401, 403, 404, 405, 412, 414, 416, 429, 431})
LAST = Request("GET", "last", "/invoke/echo/last", [("Connection", "close")])
_numbers = count(1)


def fuzz(inputs: int, seed: int, stack: Stack) -> Result:
    stack.serve("echo", CELLS)
    return run("nginx", inputs, seed, lambda random: check(stack.port, random))


def odd(random: Random) -> Request:
    """A request whose path may be anything."""
    start = random.choice(STARTS)
    pieces = random.choices(PIECES, k=random.randrange(8))
    target = (start + "".join(pieces)).encode().decode("latin-1")
    return Request(random.choice(METHODS), "", target, requests.headers(random, requests.KNOWN + INTERNAL))


def check(port: int, random: Random) -> Counter[str]:
    """What became of each request. WrongAnswer, TimeoutError: one got another answer than its own, or none."""
    examples = [random.choice([requests.valid, odd])(random) for _ in range(random.randint(1, 5))]
    sent = [(request, f"fuzz-{next(_numbers)}") for request in [*examples, LAST]]
    outcomes: Counter[str] = Counter()
    # From an address of its own: a client with no business at most of these paths is limited soon.
    source = f"127.{random.randrange(10, 250)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS, (source, 0)) as connection:
        connection.sendall(b"".join(encode(*each) for each in sent))
        with connection.makefile("rb") as stream:
            for request, request_id in sent:
                answer = read_answer(stream, request.method)
                if answer is None and outcomes["412"]:  # to If-Match on a cached response: then nginx closes
                    break
                if answer is None:
                    raise WrongAnswer(f"no answer to {request}")
                outcomes[check_answer(request, request_id, answer)] += 1
                if answer.closes:
                    break
            if rest := stream.read(1):
                raise WrongAnswer(f"more answers than requests: {rest!r}…")
    return outcomes


def encode(request: Request, request_id: str) -> bytes:
    """With a password for the API, and an id by which its answer is known."""
    own = [*basic(API_USER).items(), ("X-Request-Id", request_id)]
    others = request.headers
    return Request(request.method, request.segment, request.target, own + others, request.body, request.sizes).encode()


def check_answer(sent: Request, request_id: str, answer: Answer) -> str:
    is_of_no_api = answer.status == 503 and (sent.method == "HEAD" or b'"not-serving"' in answer.body)
    if answer.status not in STATUSES and not is_of_no_api:
        raise WrongAnswer(f"{answer.status} to {sent}: {answer.body[:500]!r}")
    answered_id = answer.headers.get("x-request-id", request_id)
    if answered_id != request_id:
        raise WrongAnswer(f"the answer to {answered_id} came for {sent}")
    is_echo = answer.status == 200 and sent.target.startswith(ECHOES) and sent.method != "HEAD"
    if not is_echo:
        return str(answer.status)
    got = json.loads(answer.body)
    if (got["url"], got["headers"]["X-Request-Id"]) != (sent.target, request_id):
        raise WrongAnswer(f"{got} came for {sent}")
    return "echoed"
