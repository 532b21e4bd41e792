"""One notebook, stock and this engine side by side: the same requests get the same answers."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.notebooks import notebook_text
from tests.support.slot import ROOT, Answer, Slot, http_over_unix
from tests.support.waiting import eventually

ECHO = "request = json.loads(REQUEST)\nprint(json.dumps({k: request[k] for k in ('body', 'args', 'path')}))"
INFO = "print(json.dumps({'status': 202, 'headers': {'Content-Type': 'application/json', 'X-Seen': 'yes'}}))"
VALUES = [
    *("1 + 1", "'text'", "b'bytes'", "None", "[1, 'a', None]", "{'k': {1: 2.5}}", "...", "object"),
    *("print('a')", "print('a', end='')", "print('é ☃ \U0001f600')", "print('printed'); 7", "7;", "x = 3", "''"),
    *(
        "sys.stdout.write('w')",
        "print('e', file=sys.stderr)",
        "!echo shell",
        "%env KERNEL_GATEWAY",
        "raise KeyError('k')",
    ),
    *(
        "1 / 0",
        "print(); print()",
        "(lambda: 3)()",
        "class A: pass\nA.__name__",
        "for i in 'ab': print(i)",
    ),
    *("Pretty()", "Both()", "def f():\n    return 5\nf()", "# only a comment", "assert False, 'why'"),
]
CLASSES = """
import json, sys
class Pretty:
    def __repr__(self): return 'pretty'
class Both:
    def __repr__(self): return 'plain'
    def _repr_html_(self): return '<b>rich</b>'
state = 0
"""
CELLS = [
    CLASSES,
    *(f"# GET /value/{number}\n{source}" for number, source in enumerate(VALUES)),
    f"# GET /echo\n{ECHO}",
    f"# GET /echo/:first\n{ECHO}",
    f"# GET /echo/:first/then/:second\n{ECHO}",
    *(f"# {method} /echo\n{ECHO}" for method in ("POST", "PUT", "DELETE")),
    f"# POST /info\n{ECHO}",
    f"# ResponseInfo POST /info\n{INFO}",
    "# GET /state\nstate += 1\nprint(state)",
    "# GET /two\na = 1",
    "# GET /two\nprint(a + 1)",
    "# GET /shadow/literal\nprint('literal')",
    "# GET /shadow/:name\nprint('parameter')",
    "# GET /deep/:a/:b/:c\nprint(json.loads(REQUEST)['path'])",
    "# GET /headers\nprint(json.dumps({k: v for k, v in json.loads(REQUEST)['headers'].items() if k[:2] == 'X-'}))",
    "# POST /said\nprint('the body')",
    "# ResponseInfo POST /said\nprint(json.loads(REQUEST)['body'])",
    "# PUT /only/info/as/value\n'x'",
    "# ResponseInfo PUT /only/info/as/value\nprint(json.dumps({'status': 299}))",
    "# POST /kept\nkept = json.loads(REQUEST)['body']\nprint(len(kept))",
    "# GET /kept\nkept",
    "# DELETE /kept\ndel kept",
]
# How the bytes travel, and who made them; stock's own Etag is compared.
UNCOMPARED = {"date", "server", "connection", "content-length", "x-request-id", "vary"}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
# Stock reads the names of parameters as Latin-1 (docs/engine.md).
names = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20)
segments = texts.filter(lambda text: text.strip() and text not in {".", ".."})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


class Stock:
    """Stock notebook-http with the same notebook, on a socket of its own."""

    def __init__(self, notebook: str) -> None:
        self.home = Path(tempfile.mkdtemp(dir="/tmp", prefix="stock"))
        self.socket = self.home / "stock.sock"
        (self.home / "server.ipynb").write_text(notebook)

    def __enter__(self) -> "Stock":
        # It does not wait until it hears its kernel: on a loaded machine the first answer may pass unheard, and then it
        # answers nobody any more.
        eventually(self.answers, 180, "a stock that hears its kernel")
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)

    def answers(self) -> bool:
        """Start it; whether it answers. It is ended where it does not."""
        command = [sys.executable, "-m", "bench.peers.stock", str(self.home / "server.ipynb"), str(self.socket), "1"]
        self.popen = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        eventually(self.listens, 60, "stock's socket")
        try:
            return self.request("GET", "/value/0", timeout=20).status == 200
        except TimeoutError:
            self.end()
            return False

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def end(self) -> None:
        self.popen.terminate()
        self.popen.wait(20)
        self.socket.unlink(missing_ok=True)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Any = None, timeout: float = 60
    ) -> Answer:
        return http_over_unix(self.socket, method, f"/invoke{path}", body, headers or {}, timeout)


Pair = tuple[Stock, Slot]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Stock(notebook_text(CELLS)) as stock, Slot(CELLS) as slot:
        yield stock, slot


def same(pair: Pair, method: str, path: str, body: bytes | None = None, **headers: str) -> None:
    """Ask both; fails where what a caller can see differs."""
    request_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    theirs = pair[0].request(method, path, body, request_headers)
    ours = pair[1].request(method, path, body, request_headers)
    assert ours.status == theirs.status, (ours, theirs)
    if theirs.status < 400:  # an error is answered in our own form, on purpose
        assert ours.body == theirs.body
        assert visible(ours) == visible(theirs)


def visible(answer: Answer) -> dict[str, str]:
    """The headers, without the charset that stock does not give (docs/engine.md)."""
    return {
        name: value.replace("text/plain; charset=utf-8", "text/plain")
        for name, value in answer.headers.items()
        if name not in UNCOMPARED
    }


@pytest.mark.parametrize("number", range(len(VALUES)), ids=lambda n: VALUES[n][:20])
def test_what_a_cell_gives_is_answered_as_stock_does(pair: Pair, number: int) -> None:
    same(pair, "GET", f"/value/{number}")


slowly = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@slowly
@given(first=segments, second=segments)
@example(first="a b", second="c+d%20/")
def test_path_parameters_arrive_as_with_stock(pair: Pair, first: str, second: str) -> None:
    path_parts = [urllib.parse.quote(part, safe="") for part in (first, second)]
    same(pair, "GET", f"/echo/{path_parts[0]}/then/{path_parts[1]}")


@slowly
@given(arguments=st.lists(st.tuples(names, texts), max_size=4))
def test_the_query_arrives_as_with_stock(pair: Pair, arguments: list[tuple[str, str]]) -> None:
    same(pair, "GET", f"/echo?{urllib.parse.urlencode(arguments)}")


@slowly
@given(
    body=texts, kind=st.sampled_from(["text/plain", "application/xml", "foo"]), method=st.sampled_from(["POST", "PUT"])
)
def test_a_text_body_arrives_as_with_stock(pair: Pair, body: str, kind: str, method: str) -> None:
    same(pair, method, "/echo", body.encode(), Content_Type=kind)


@slowly
@given(value=json_values)
def test_a_json_body_arrives_as_with_stock(pair: Pair, value: Any) -> None:
    same(pair, "POST", "/info", json.dumps(value).encode(), Content_Type="application/json")


@slowly
@given(fields=st.lists(st.tuples(names, texts), max_size=4))
def test_a_form_arrives_as_with_stock(pair: Pair, fields: list[tuple[str, str]]) -> None:
    body = urllib.parse.urlencode(fields).encode()
    same(pair, "POST", "/echo", body, Content_Type="application/x-www-form-urlencoded")


# What stock's gateway itself sends is for it to say, and what HTTP does with a body that has none.
tokens = st.text(st.sampled_from("abcXYZ019-_.!~"), min_size=1, max_size=10)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)
NOT_FREE = {"content-length", "transfer-encoding", "connection", "content-type", "content-encoding", "etag"}
# Stock fails where a status may have no body; 1xx and strings are told in docs/engine.md.
statuses = st.integers(200, 599).filter(lambda status: status not in (204, 304))


@slowly
@given(status=statuses, headers=st.dictionaries(tokens.filter(lambda n: n.lower() not in NOT_FREE), values, max_size=3))
def test_what_response_info_says_is_answered_as_stock_does(pair: Pair, status: int, headers: dict[str, str]) -> None:
    theirs, ours = (
        each.request("POST", "/said", json.dumps({"status": status, "headers": headers}).encode()) for each in pair
    )
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert visible(ours) == visible(theirs)


@slowly
@given(headers=st.dictionaries(st.text(st.sampled_from("abcXYZ019-"), min_size=1, max_size=10), values, max_size=5))
def test_the_headers_arrive_as_with_stock(pair: Pair, headers: dict[str, str]) -> None:
    same(pair, "GET", "/headers", **{f"X_{name}": value for name, value in headers.items()})


@slowly
@given(parts=st.lists(segments, min_size=3, max_size=3))
def test_deep_paths_arrive_as_with_stock(pair: Pair, parts: list[str]) -> None:
    same(pair, "GET", "/deep/" + "/".join(urllib.parse.quote(part, safe="") for part in parts))


@slowly
@given(value=json_values)
def test_what_one_request_keeps_the_next_finds_as_with_stock(pair: Pair, value: Any) -> None:
    body = json.dumps([value]).encode()
    same(pair, "POST", "/kept", body, Content_Type="application/json")
    same(pair, "GET", "/kept")
    same(pair, "DELETE", "/kept")
    same(pair, "GET", "/kept")


@slowly
@given(fields=st.dictionaries(tokens, texts, min_size=1, max_size=4))
def test_a_multipart_form_arrives_as_with_stock(pair: Pair, fields: dict[str, str]) -> None:
    parts = "".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    same(pair, "POST", "/echo", f"{parts}--edge--\r\n".encode(), Content_Type="multipart/form-data; boundary=edge")


@slowly
@given(body=st.binary(max_size=40).filter(lambda body: is_text(body)))
def test_a_broken_json_body_arrives_as_with_stock(pair: Pair, body: bytes) -> None:
    same(pair, "POST", "/echo", body, Content_Type="application/json")


def is_text(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


# Statements whose output says all that there is to see of them.
leaves = st.sampled_from(["1", "'é'", "[1, 2]", "None", "state", "{'a': (1, 2)}", "1.5", "b'x'", "sys.maxsize"])
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.builds("[{}, {}]".format, inner, inner)
        | st.builds("str({})".format, inner)
        | st.builds("repr({})".format, inner)
        | st.builds("({} or {})".format, inner, inner)
    ),
    max_leaves=4,
)
statements = st.one_of(
    st.builds("print({})".format, expressions),
    st.builds("print({}, end='')".format, expressions),
    st.builds("x = {}".format, expressions),
    st.builds("{};".format, expressions),
    st.builds("sys.stdout.write(str({}))".format, expressions),
    st.builds("print({}, file=sys.stderr)".format, expressions),
    st.builds("for i in range(2): print(i, {})".format, expressions),
    st.builds("if {}:\n    print('true')\nelse:\n    print('false')".format, expressions),
    st.builds("try:\n    1 / 0\nexcept ZeroDivisionError:\n    print({})".format, expressions),
    st.builds("def f(): return {}\nf()".format, expressions),
    expressions,
)
cell_lists = st.lists(st.lists(statements, min_size=1, max_size=4).map("\n".join), min_size=30, max_size=30)


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(cells=cell_lists)
def test_generated_notebooks_are_answered_as_stock_does(cells: list[str]) -> None:
    endpoint_cells = [f"# GET /value/{number}\n{cell}" for number, cell in enumerate(cells)]
    notebook = [CLASSES, *endpoint_cells]
    with Stock(notebook_text(notebook)) as stock, Slot(notebook) as slot:
        for number in range(len(cells)):
            same((stock, slot), "GET", f"/value/{number}")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/shadow/literal"),
        ("GET", "/deep/a/b"),
        ("GET", "/deep/a/b/c/d"),
        ("PUT", "/only/info/as/value"),
        ("GET", "/Echo"),
        ("GET", "/echo//then/x"),
        ("GET", "/nothing"),
        ("GET", "/echo/a/b"),
        ("DELETE", "/echo"),
        ("DELETE", "/state"),
        ("GET", "/two"),
        ("GET", "/state"),
        ("GET", "/shadow/other"),
        ("GET", "/_api/source"),
    ],
)
def test_routes_and_state_are_as_with_stock(pair: Pair, method: str, path: str) -> None:
    same(pair, method, path)


def test_an_answer_that_the_caller_has_already_is_not_sent_again(pair: Pair) -> None:
    etag = pair[0].request("GET", "/value/0").headers["etag"]
    same(pair, "GET", "/value/0", If_None_Match=etag)
