"""Requests at a kernel, without nginx before it: valid ones, which it must give back, and damaged ones."""

import base64
import json
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs

import h11

from tests.fuzz import requests
from tests.fuzz.campaign import Result, run
from tests.fuzz.requests import Request
from tests.fuzz.wire import Answer, WrongAnswer, read_answer
from tests.support.slot import Slot

DEADLINE_SECONDS = 20
CELLS = [f"# {method} /echo/:part\nprint(REQUEST, end='')" for method in ("GET", "POST", "PATCH")]
# What a damaged request may get. Of 5xx none: no cell fails, and nothing is overloaded.
STATUSES = frozenset({200, 204, 400, 404, 405, 413, 431})


def fuzz(inputs: int, seed: int) -> Result:
    with Slot(CELLS) as slot:
        path = slot.folder / "api.sock"
        result = run("kernel", inputs, seed, lambda random: Counter([check(path, generate(random))]))
        if slot.has_ended():
            result.failure += f"\nthe gateway has ended:\n{slot.log()[-2000:]}"
        return result


def generate(random: Random) -> Request | bytes:
    kind = random.random()
    if kind < 0.5:
        return requests.valid(random)
    return requests.damaged(random) if kind < 0.95 else random.randbytes(random.randrange(200))


def check(path: Path, example: Request | bytes) -> str:
    """What became of the request. WrongAnswer, TimeoutError: it got another answer than it should, or none."""
    if isinstance(example, Request):
        return check_echo(example, exchange(path, example.encode(), example.method))
    # Whether a damaged request is one by HEAD is the kernel's to decide.
    raw, answer = example, exchange(path, example, "HEAD" if b"HEAD" in example else "GET")
    if answer is None:
        if is_complete(raw):
            raise WrongAnswer("no answer to a complete request")
        return "closed"
    if answer.status not in STATUSES:
        raise WrongAnswer(f"{answer.status}: {answer.body!r}")
    return str(answer.status)


def exchange(path: Path, raw: bytes, method: str) -> Answer | None:
    """The one answer to these bytes, None if the kernel closes without any."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_SECONDS)
        connection.connect(str(path))
        with suppress(BrokenPipeError, ConnectionResetError):  # it has answered before it had read all
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        answer, rest = None, b""
        with connection.makefile("rb") as stream, suppress(ConnectionResetError):  # it closed with bytes unread
            answer = read_answer(stream, method)
            rest = stream.read(1)
        if rest and not (method == "HEAD" and answer and answer.status >= 400):
            raise WrongAnswer(f"more than one answer: {rest!r}…")
        return answer


def check_echo(sent: Request, answer: Answer | None) -> str:
    if answer is None:
        raise WrongAnswer("no answer")
    if answer.status != expected_status(sent):
        raise WrongAnswer(f"{answer.status}: {answer.body!r}")
    if answer.status != 200 or sent.method == "HEAD":
        return str(answer.status)
    got = json.loads(answer.body)
    url, _, query = sent.target.partition("?")
    expected = {
        "method": sent.method,
        "url": sent.target,
        "path": {"part": sent.segment},
        "args": parse_qs(query, keep_blank_values=True),
        **expected_body(sent),
    }
    for key, value in expected.items():
        if got.get(key) != value and not (value != value):
            raise WrongAnswer(f"{key} of {url} is {got.get(key)!r}, not {value!r}")
    check_headers(sent, got["headers"])
    return "echoed"


def expected_status(sent: Request) -> int:
    if sent.method == "OPTIONS":
        return 204
    kind = dict(sent.headers).get("Content-Type", "")
    if kind.startswith("multipart"):
        return 400  # none of the bodies is one
    if kind == "application/x-www-form-urlencoded":
        try:
            sent.body.decode()
        except UnicodeDecodeError:
            return 200  # as base64
        try:
            parse_qs(sent.body.decode(), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            return 400
    return 200


def expected_body(sent: Request) -> dict[str, Any]:
    """`body` of a text or JSON, `body_base64` of anything else; nothing is said of forms."""
    kind = dict(sent.headers).get("Content-Type", "").partition(";")[0].strip()
    if kind.startswith("multipart") or kind.endswith("urlencoded"):
        return {}
    try:
        text = sent.body.decode()
    except UnicodeDecodeError:
        return {"body": None, "body_base64": base64.b64encode(sent.body).decode()}
    if kind.endswith("json"):
        try:
            return {} if "NaN" in text else {"body": json.loads(text)}
        except ValueError:
            pass
    return {"body": text}


def check_headers(sent: Request, got: dict[str, Any]) -> None:
    """Each as it was sent, all values of a name together."""
    values: dict[str, list[str]] = {}
    for name, value in sent.headers:
        values.setdefault("-".join(word.capitalize() for word in name.split("-")), []).append(value)
    for name, expected in values.items():
        actual = got.get(name)
        if (actual if isinstance(actual, list) else [actual]) != expected:
            raise WrongAnswer(f"the header {name} is {actual!r}, not {expected!r}")


def is_complete(raw: bytes) -> bool:
    """Whether another parser reads a whole request from these bytes."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
    try:
        parser.receive_data(raw)
        while isinstance(event := parser.next_event(), h11.Request | h11.Data):
            pass
        return isinstance(event, h11.EndOfMessage)
    except h11.RemoteProtocolError:
        return False
