"""Functions as endpoints: binding, validation, values, what keeps one from being served."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.notebook import annotations
from tests.support.arbiter import Arbiter

SEED = """
import asyncio, time, dataclasses, datetime, decimal, enum, functools, types, uuid
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar
import flask, numpy, pandas
from pydantic import AfterValidator, BaseModel, Field, field_validator
from typing_extensions import TypedDict
from werkzeug.datastructures import FileStorage

class Item(BaseModel):
    name: str
    price: float = Field(ge=0)
    tags: list[str] = []
    part: "Part | None" = None  # defined below

    @field_validator("name")
    @classmethod
    def check(cls, name):
        if name == "taken":
            flask.abort(409, "the name is taken")
        return name

@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

class Ask(TypedDict):
    question: str
    limit: NotRequired[int]

class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int

class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]

class Color(enum.Enum):
    RED = "red"

def wait(value):
    while True: pass

def divide(value):
    return value / 0

Slow = Annotated[int, AfterValidator(wait)]
STEPS = []
CYCLE = []
CYCLE.append(CYCLE)

class AsyncObject:
    def __init__(self, function): ...
    async def __call__(self, n: int):
        await asyncio.sleep(0)
        return [n]

T = TypeVar("T")

class Page(BaseModel, Generic[T]):
    items: list[T]

def logged(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)
    return call
"""

NOTEBOOK = r"""
# GET /path/:id/:name
def path(id: int, name: str): return [id, name]

# GET /query
def query(
    n: int, tags: list[str] = [], text: str = 'x', flag: bool = False, kind: Color = Color.RED
):
    return {'n': n, 'tags': tags, 'text': text, 'flag': flag, 'kind': kind}

# POST, PUT, PATCH /fields/:id
def fields(id: int, a: int, b: str = 'query'): return [id, a, b]

# POST /item
def create(item: Item): return item

# POST /point
def point(point: Point): return point

# POST /ask
def ask(input: Ask): return input

# POST /pet
def pet(pet: Annotated[Cat | Dog, Field(discriminator='kind')]): return type(pet).__name__

# POST /page
def page(page: Page[int]): return sum(page.items)

# POST /undescribed/:n
class Undescribed(BaseModel):
    model_config = {'json_schema_extra': lambda schema: 1 / 0}
    a: int
class Silent:
    def __repr__(self): raise ValueError
def undescribed(n: int, a: Undescribed, b: Any = Silent()) -> Undescribed: return a

# POST /two
def two(item: Item, count: int = 1): return [item.name, count]

# POST /optional
def optional(item: Item | None = None): return 'nothing' if item is None else item.name

# POST /raw
def raw(body: bytes): return len(body)

# POST /any
def anything(body): return {'body': body}

# POST /typed
def typed(body: list[int]): return sum(body)

# POST /rest
def rest(a: int, **fields: int): return {'a': a, **fields}

# POST /request
def whole(request, headers):
    return [request['method'], request['body'], headers['x-one'], dict(headers).get('X-One')]

# POST /file
def upload(file: bytes, note: str = ''): return [len(file), note]

# POST /storage
def storage(file: FileStorage, more: list[FileStorage] = []):
    return [file.filename, file.read().decode(), len(more)]

# GET /limits
def limits(n: Annotated[int, Field(ge=1, le=9)] = 3, m: int = Field(5, ge=1)): return [n, m]

# GET /alias
def alias(from_: Annotated[str, Field(alias='from')]): return from_

# GET /class/:class
def in_class(class_: Annotated[int, Field(alias='class')]): return class_

# GET /positional
def positional(a: int, b: int = 2, /, *, c: int = 3): return [a, b, c]

# GET /date
def date(day: datetime.date, at: datetime.datetime | None = None): return {'day': day, 'at': at}

# GET /decorated
@logged
def decorated(n: int): return n

# GET /cached/:n
@functools.cache
def cached(n: int): return [n]

# GET /forward
def forward(n: 'Number') -> 'Number': return n

# GET /two-in-one
def helper(n): return n * 2

def twice(n: int): return helper(n)

# GET /same
def query(): return 'another query'

# GET /value/:name
VALUES = {
    "number": 1.5, "none": None, "text": "é ☃", "bytes": b"\xff", "list": [1], "tuple": (1, 2, 3), "set": {1},
    "model": Item(name="a", price=1), "dataclass": Point(1), "items": [Point(1)], "true": True, "empty": "",
    "date": datetime.date(2026, 1, 2), "decimal": decimal.Decimal("1.5"), "uuid": uuid.UUID(int=1),
    "enum": Color.RED, "nan": [float("nan")], "array": numpy.arange(3), "scalar": numpy.float32(1.5),
    "integer": {"n": numpy.int64(3)}, "series": pandas.Series([1, 2]),
    "frame": pandas.DataFrame({"a": [1, None], "at": [pandas.Timestamp("2026-01-02"), pandas.NaT]}),
    "status": ({"a": 1}, 201), "headers": ("x", {"X-A": "b"}), "all": ("", 202, {"X-A": "b"}),
    "type": ("<b>", 200, {"Content-Type": "text/html"}), "response": flask.Response("made", 418),
    "mixed": (flask.Response("made"), 201), "gone": (None, 410),
    "redirect": flask.Response(status=303, headers={"Location": "/x"}), "unknown": object(),
    "size": (640, 480), "triple": ("x", 200, ["y"]), "lines": ("x", 200, {"Set-Cookie": ["a=1", "b=2"]}),
    "nat": {"at": pandas.NaT, "all": [pandas.Timestamp("2026-01-02"), pandas.NaT]},
    "labels": [pandas.Period("2026-01"), pandas.Interval(0, 1), pandas.NA],
    "index": pandas.MultiIndex.from_tuples([(1, "a")]), "range": range(3), "keys": {"a": 1}.keys(),
    "mapping": {"counts": types.MappingProxyType({"a": 1})}, "binary": {"data": b"\xff"}, "cycle": CYCLE,
    "styled": pandas.DataFrame({"a": [1]}).style,
    "bad_status": ("x", 100), "bad_header": ("x", {"X-A": "a\nb"}),
}
def value(name: str): return VALUES[name]

# GET /prints
import sys
def prints():
    print('to the log')
    print('errors', file=sys.stderr)
    return {'ok': True}

# GET /fails
def fails(n: int):
    if n:
        raise ValueError('no')
    flask.abort(404, 'no such row')

# GET /slow
# timeout: 0.3
def slow():
    while True: pass

# POST /slow-validator
# timeout: 0.3
def slow_validator(n: Slow): return n

# POST /bad-validator
def bad_validator(n: Annotated[int, AfterValidator(divide)]): return n

# GET /awaits
async def awaits(s: float = 0.3):
    await asyncio.sleep(s)
    return 'done'

# GET /wrapped-async
@logged
async def wrapped_async(n: int):
    await asyncio.sleep(0)
    return [n]

# GET /async-object
@AsyncObject
def async_object(n: int): ...

# GET /not-awaited
def not_awaited(): return asyncio.sleep(0)

# GET /async-fails
async def async_fails():
    await asyncio.sleep(0)
    raise KeyError('k')

# GET /async-late
# timeout: 0.3
async def async_late():
    await asyncio.sleep(30)

# POST /flask
def in_flask(a: int):
    @flask.after_this_request
    def add(response):
        response.headers["X-Added"] = "yes"
        return response
    return flask.jsonify(a=a, raw=flask.request.get_data(as_text=True), arg=flask.request.args["q"])

# GET /figure
class Figure:
    def _repr_png_(self): return b"\x89PNG"
def figure(): return Figure()

# GET /page
class Html:
    def _repr_html_(self): return "<b>é</b>"
async def html(): return Html()

# GET /displays
def displays():
    display({"a": 1})

# GET /stream/:n
def stream(n: int):
    try:
        for number in range(n):
            print("piece", number)
            if number == 3:
                raise ValueError("broken")
            yield "é" if number == 0 else {"n": number}
    finally:
        STEPS.append(n)

# GET /steps
def steps(): return STEPS

# GET /slow-stream
def slow_stream(seconds: float = 0.2):
    for number in range(3):
        yield str(number)
        time.sleep(seconds)  # holds the kernel, as a plain function does; it is free between pieces

# GET /async-stream
async def async_stream(fail: bool = False):
    if fail:
        flask.abort(404, "no such stream")
    for number in range(3):
        yield number
        await asyncio.sleep(0.2)

# GET /cell
print('a cell')

# POST /item-of-its-cell
from __future__ import annotations
class Item(BaseModel):
    size: int
def item_of_its_cell(item: Item): return item.size

# POST /later-item
from __future__ import annotations
class Item(BaseModel):
    color: str
def later_item(item: Item): return item.color

# GET /later/:n
def later(n: int): return later_helper(n)
"""
CELLS = re.split(r"\n\n(?=# )", NOTEBOOK.strip())
AFTER = "class Part(BaseModel):\n    number: int\nNumber = int\ndef later_helper(n): return n + 1"


def serve(arbiter: Arbiter, cells: list[str], seed: str = "", **config: Any) -> Any:
    """A worker for these cells, started after an ordinary one."""
    api = annotations.parse(cells)
    assert not api.errors
    return arbiter.start(*api.endpoints, seed=[seed], **config)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    with Arbiter(tmp_path_factory.mktemp("functions")) as arbiter:
        worker = serve(arbiter, CELLS, SEED + AFTER)
        assert worker.verdict == {"did": "ready"}, worker.log.read_text()
        yield arbiter


def test_parameters_come_from_the_path_and_the_query(api: Arbiter) -> None:
    assert api.get("/path/7/a%2Fb").json == [7, "a/b"]
    assert api.get("/query?n=1").json == {"n": 1, "tags": [], "text": "x", "flag": False, "kind": "red"}
    assert api.get("/query?n=1&n=2&tags=a&tags=b&text=%C3%A9&flag=yes&unknown=1").json == {
        "n": 1, "tags": ["a", "b"], "text": "é", "flag": True, "kind": "red",
    }  # fmt: skip
    assert api.get("/limits").json == [3, 5]
    assert api.get("/limits?m=2&n=9").json == [9, 2]
    assert api.get("/alias?from=here").text == "here"
    assert api.get("/class/3").json == 3
    assert api.get("/positional?a=1&c=4").json == [1, 2, 4]
    assert api.get("/date?day=2026-01-02&at=2026-01-02T03:04:05Z").json == {
        "day": "2026-01-02",
        "at": "2026-01-02T03:04:05Z",
    }


def test_the_path_comes_before_the_body_and_the_body_before_the_query(api: Arbiter) -> None:
    assert api.post("/fields/1?a=5&b=q&id=9", {"a": 2, "id": 8}).json == [1, 2, "q"]
    assert api.ask("PUT", "/fields/1?a=5").json == [1, 5, "query"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.ask("PATCH", "/fields/1", "a=3&a=4&b=%C3%A9", form).json == [1, 3, "é"]
    assert api.ask("POST", "/fields/1", '{"a": 3}').json == [1, 3, "query"]  # without a content type


def test_a_lone_model_is_the_whole_body_or_its_field(api: Arbiter) -> None:
    item = {"name": "a", "price": 1, "part": {"number": 3}}
    expected = {"name": "a", "price": 1.0, "tags": [], "part": {"number": 3}}
    assert api.post("/item", item).json == expected
    assert api.post("/item", {"item": item}).json == expected
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.ask("POST", "/item", "name=a&price=1&tags=x&tags=y", form).json["tags"] == ["x", "y"]
    assert api.post("/point", {"x": "3"}).json == {"x": 3, "y": 0}
    assert api.post("/ask", {"action": {"name": "ask"}, "input": {"question": "why"}}).json == {"question": "why"}
    assert api.post("/ask", {"question": "why", "limit": 2}).json == {"question": "why", "limit": 2}
    assert api.post("/pet", {"kind": "dog", "tricks": []}).text == "Dog"
    assert api.post("/page", {"items": [1, "2"]}).text == "3"
    assert api.post("/two", {"item": item, "count": 2}).json == ["a", 2]
    assert api.post("/optional", b"").text == "nothing"
    assert api.post("/optional", item).text == "a"


def test_the_request_itself(api: Arbiter) -> None:
    assert api.post("/raw", b"\xff\x00", "application/octet-stream").text == "2"
    assert api.post("/any", {"a": 1}).json == {"body": {"a": 1}}
    assert api.post("/any", b"text", "text/plain").json == {"body": "text"}
    assert api.post("/typed", [1, "2"]).text == "3"
    assert api.post("/typed", {"a": 1}).status == 422
    assert api.post("/rest", {"a": 1, "b": "2"}).json == {"a": 1, "b": 2}
    assert api.post("/rest", {"a": 1, "b": "x"}).json["message"].startswith("b: Input should be a valid integer")
    headers = {"X-ONE": "1", "Content-Type": "application/json"}
    assert api.ask("POST", "/request", "[1]", headers).json == ["POST", [1], "1", "1"]


def test_files(api: Arbiter) -> None:
    head = 'Content-Disposition: form-data; name="{}"'
    parts = [
        head.format("note") + "\r\n\r\nhello",
        head.format("file") + '; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n123',
        head.format("more") + '; filename="b.txt"\r\n\r\n4',
        head.format("more") + '; filename="c.txt"\r\n\r\n5',
    ]
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    assert api.post("/file", body.encode(), "multipart/form-data; boundary=b").json == [3, "hello"]
    assert api.post("/storage", body.encode(), "multipart/form-data; boundary=b").json == ["a.txt", "123", 2]
    assert api.post("/file", b"--b", "multipart/form-data; boundary=b").status in (400, 422)
    as_text = body.replace('; filename="a.txt"', "").encode()
    answer = api.post("/storage", as_text, "multipart/form-data; boundary=b")
    assert answer.json["message"].startswith("file: Input should be an uploaded file")


def test_what_cannot_be_validated_is_a_422_that_hasura_passes_on(api: Arbiter) -> None:
    answer = api.post("/two", {"item": {"name": "secret", "price": -1}, "count": "x"})
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json
    assert body["message"] == (
        "item.price: Input should be greater than or equal to 0; "
        "count: Input should be a valid integer, unable to parse string as an integer"
    )
    assert body["extensions"]["code"] == "invalid-input"
    assert [error["loc"] for error in body["extensions"]["errors"]] == [["item", "price"], ["count"]]
    assert {"method", "path", "request_id"} <= body["extensions"].keys()
    assert "secret" not in answer.text  # what was sent may be one


@pytest.mark.parametrize(
    ("path", "body", "kind", "message"),
    [
        ("/fields/1", b"{", "application/json", "body: Invalid JSON: EOF while parsing an object"),
        ("/fields/1", b"[1]", "application/json", "a: Field required. The body is not a JSON object."),
        ("/fields/1", b'{"a": 1}', "application/x-www-form-urlencoded", "add Content-Type: application/json."),
        ("/fields/1", b"a=1", "text/plain", "a: Field required. The body is text/plain, which has no fields"),
        ("/fields/1", b"", "", "a: Field required"),
        ("/fields/x", b"", "", "id: Input should be a valid integer"),
        ("/item", b"", "application/json", "name: Field required; price: Field required"),
        ("/item", b"nonsense", "application/json", "body: Invalid JSON"),
        ("/item", b'"text"', "application/json", "body: Input should be an object"),
        ("/item", b'{"item": {"name": "a"}}', "application/json", "item.price: Field required"),
        ("/item", b"[" * 100_000, "application/json", "body: Invalid JSON"),
    ],
)
def test_the_message_says_what_is_wrong(api: Arbiter, path: str, body: bytes, kind: str, message: str) -> None:
    answer = api.ask("POST", path, body, {"Content-Type": kind} if kind else {})
    assert answer.status == 422, answer.text
    assert message in answer.json["message"]


def test_a_query_that_is_not_utf_8_is_a_400(api: Arbiter) -> None:
    assert api.get("/query?n=%ff").status == 400


def test_what_cannot_be_described_is_served(api: Arbiter) -> None:
    assert api.post("/undescribed/1", {"a": {"a": 1}}).json == {"a": 1}
    described = api.workers[0].functions["functions"].values()
    (function,) = (each for each in described if each["name"] == "undescribed")
    schema = function["body"]["content"]["application/json"]["schema"]
    assert (function["path"]["n"]["type"], set(schema["properties"])) == ("integer", {"a", "b"})


def test_a_validator_can_abort(api: Arbiter) -> None:
    answer = api.post("/item", {"name": "taken", "price": 1})
    assert (answer.status, answer.json["message"]) == (409, "the name is taken")


def test_decorators_forward_references_and_helpers(api: Arbiter) -> None:
    assert api.get("/decorated?n=2").text == "2"
    assert api.get("/decorated").status == 422
    assert api.get("/cached/2").json == [2]
    assert api.get("/forward?n=4").text == "4"
    assert api.get("/two-in-one?n=4").text == "8"
    assert api.get("/later/1").text == "2"


def test_functions_with_the_same_parameters_are_described_each(tmp_path: Path) -> None:
    cells = [f"# GET /{name}/:n\ndef {name}(n: int, unit: str = 'm') -> int: ..." for name in ("one", "two")]
    with Arbiter(tmp_path) as arbiter:
        worker = serve(arbiter, cells)

        assert worker.verdict == {"did": "ready"}, worker.log.read_text()
        first, second = worker.functions["functions"].values()
        assert first["path"] == second["path"] == {"n": {"title": "N", "type": "integer"}}
        assert first["query"] == second["query"] != []


def test_a_function_keeps_the_classes_of_its_annotations(api: Arbiter) -> None:
    assert api.post("/item-of-its-cell", {"size": 1}).json == 1
    assert api.post("/later-item", {"color": "red"}).text == "red"


def test_a_type_that_cannot_be_described_is_served_and_the_log_says_why(tmp_path: Path) -> None:
    secret = (
        "from typing import Annotated\nclass Secret:\n"
        "    def __get_pydantic_json_schema__(self, *_): raise RuntimeError('no schema for a secret')\n"
    )
    with Arbiter(tmp_path) as arbiter:
        worker = serve(arbiter, ["# GET /x\ndef x(n: Annotated[int, Secret()]): return n"], secret)

        assert worker.verdict == {"did": "ready"}, worker.log.read_text()
        assert arbiter.get("/x?n=3").json == 3
        worker.wait_for_log("RuntimeError: no schema for a secret")


def test_a_function_keeps_its_endpoint_when_another_cell_takes_its_name(api: Arbiter) -> None:
    assert api.get("/same").text == "another query"
    assert api.get("/query?n=1").json["n"] == 1


JSON, TEXT = "application/json", "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "status", "kind", "body"),
    [
        ("number", 200, JSON, 1.5),
        ("true", 200, JSON, True),
        ("none", 204, None, b""),
        ("text", 200, TEXT, "é ☃".encode()),
        ("empty", 200, TEXT, b""),
        ("bytes", 200, "application/octet-stream", b"\xff"),
        ("list", 200, JSON, [1]),
        ("tuple", 200, JSON, [1, 2, 3]),
        ("set", 200, JSON, [1]),
        ("model", 200, JSON, {"name": "a", "price": 1.0, "tags": [], "part": None}),
        ("dataclass", 200, JSON, {"x": 1, "y": 0}),
        ("items", 200, JSON, [{"x": 1, "y": 0}]),
        ("size", 200, JSON, [640, 480]),
        ("triple", 200, JSON, ["x", 200, ["y"]]),
        ("lines", 200, TEXT, b"x"),
        ("nat", 200, JSON, {"at": None, "all": ["2026-01-02T00:00:00", None]}),
        ("labels", 200, JSON, ["2026-01", "(0, 1]", None]),
        ("index", 200, JSON, [[1, "a"]]),
        ("range", 200, JSON, [0, 1, 2]),
        ("keys", 200, JSON, ["a"]),
        ("mapping", 200, JSON, {"counts": {"a": 1}}),
        ("date", 200, JSON, "2026-01-02"),
        ("decimal", 200, JSON, "1.5"),
        ("uuid", 200, JSON, "00000000-0000-0000-0000-000000000001"),
        ("enum", 200, JSON, "red"),
        ("nan", 200, JSON, [None]),
        ("array", 200, JSON, [0, 1, 2]),
        ("scalar", 200, JSON, 1.5),
        ("integer", 200, JSON, {"n": 3}),
        ("frame", 200, JSON, [{"a": 1.0, "at": "2026-01-02T00:00:00"}, {"a": None, "at": None}]),
        ("series", 200, JSON, [1, 2]),
        ("status", 201, JSON, {"a": 1}),
        ("headers", 200, TEXT, b"x"),
        ("all", 202, TEXT, b""),
        ("type", 200, "text/html", b"<b>"),
        ("response", 418, "text/html; charset=utf-8", b"made"),
        ("mixed", 201, "text/html; charset=utf-8", b"made"),
        ("gone", 410, None, b""),
        ("redirect", 303, "text/html; charset=utf-8", b""),
    ],
)
def test_the_value_is_the_response(api: Arbiter, name: str, status: int, kind: str | None, body: Any) -> None:
    answer = api.get(f"/value/{name}")
    assert (answer.status, answer.headers["Content-Type"]) == (status, kind), answer.text
    assert (answer.body if isinstance(body, bytes) else answer.json) == body
    if name in ("headers", "all"):
        assert answer.headers["X-A"] == "b"
    if name == "lines":
        assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unknown", "TypeError: a builtins.object has no form as JSON"),
        ("binary", "TypeError: bytes that are not UTF-8 have no form as JSON: encode them"),
        ("cycle", "TypeError: Circular reference detected"),
        ("bad_status", "ValueError: the function returns the status 100: give one from 200 to 599"),
        ("bad_header", "ValueError: the response sets the header 'X-A'"),
    ],
)
def test_a_value_that_cannot_be_sent_is_an_error(api: Arbiter, name: str, message: str) -> None:
    answer = api.get(f"/value/{name}")
    assert answer.status == 500
    assert answer.json["message"].startswith(message)


def test_what_a_function_prints_is_in_the_log_and_breaks_no_response(api: Arbiter) -> None:
    answer = api.get("/prints", X_Request_Id="prints-1")
    assert answer.json == {"ok": True}
    assert "[prints-1] errors" in api.workers[0].wait_for_log("[prints-1] to the log")


def test_flask_works_as_in_a_view(api: Arbiter) -> None:
    answer = api.post("/flask?q=x", b'{"a":  1}')
    assert answer.json == {"a": 1, "raw": '{"a":  1}', "arg": "x"}
    assert answer.headers["X-Added"] == "yes"


def test_what_jupyter_would_display(api: Arbiter) -> None:
    figure, page = api.get("/figure"), api.get("/page")
    assert (figure.headers["Content-Type"], figure.body) == ("image/png", b"\x89PNG")
    assert (page.headers["Content-Type"], page.text) == ("text/html; charset=utf-8", "<b>é</b>")
    assert api.get("/displays").json == {"a": 1}
    styled = api.get("/value/styled")
    assert (styled.headers["Content-Type"], "<table" in styled.text) == ("text/html; charset=utf-8", True)


def test_a_generator_is_streamed(api: Arbiter) -> None:
    answer = api.get("/stream/3", X_Request_Id="stream-1")
    assert (answer.headers["Content-Type"], answer.text) == (TEXT, 'é{"n":1}\n{"n":2}\n')
    assert 3 in api.get("/steps").json
    api.workers[0].wait_for_log("[stream-1] piece 2")
    events = api.get("/stream/2", Accept="text/event-stream")
    assert (events.headers["Content-Type"], events.text) == ("text/event-stream", 'data: é\n\ndata: {"n":1}\n\n')
    assert api.get("/async-stream").text == "0\n1\n2\n"
    assert api.get("/stream/x").status == 422
    assert (api.get("/async-stream?fail=1").status, api.get("/async-stream?fail=1").json["message"]) == (
        404,
        "no such stream",
    )


def test_a_stream_that_fails_breaks_off(api: Arbiter) -> None:
    with pytest.raises(http.client.IncompleteRead):
        api.get("/stream/9")
    assert api.get("/cell").text == "a cell\n"


def test_others_run_between_the_pieces_of_a_function(api: Arbiter) -> None:
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/slow-stream HTTP/1.1\r\nHost: x\r\n\r\n")
        received = sock.recv(65536)
        assert api.get("/cell").text == "a cell\n"
        rest = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b"1\r\n2\r\n" not in received  # it was not over
    assert rest.endswith(b"0\r\n\r\n")


def test_errors_and_abort(api: Arbiter) -> None:
    assert (api.get("/fails?n=0").status, api.get("/fails?n=0").json["message"]) == (404, "no such row")
    answer = api.get("/fails?n=1", X_Request_Id="fails-1")
    assert (answer.status, answer.json["message"]) == (500, "ValueError: no")
    number = next(n for n, cell in enumerate(CELLS, 1) if cell.startswith("# GET /fails"))
    assert f"Cell In[{number}], line 4, in fails(n)" in api.workers[0].wait_for_log("[fails-1] ValueError: no")
    assert api.get("/async-fails").json["message"] == "KeyError: 'k'"


def test_a_validator_that_fails_or_hangs_is_named(api: Arbiter) -> None:
    answer = api.post("/slow-validator", {"n": 1})
    assert (answer.status, answer.json["message"].rpartition(", ")[2]) == (504, "or a validator takes too long")
    headers = {"X-Request-Id": "bad-1", "Content-Type": "application/json"}
    assert api.ask("POST", "/bad-validator", '{"n": 1}', headers).json["message"].startswith("ZeroDivisionError")
    log = api.workers[0].wait_for_log("[bad-1] ZeroDivisionError: division by zero")
    assert "in divide(value)" in log.partition("[bad-1] ---")[2]
    assert "gateway/worker" not in log.partition("[bad-1] ---")[2].partition("in divide(value)")[0]


def test_an_async_function_may_be_wrapped(api: Arbiter) -> None:
    assert api.get("/wrapped-async?n=2").json == [2]
    assert api.get("/async-object?n=2").json == [2]
    message = api.get("/not-awaited").json["message"]
    assert message == "TypeError: the function returns a coroutine: define it with `async def` and await that"


def test_time_limits(api: Arbiter) -> None:
    assert api.get("/slow").status == 504
    assert api.get("/async-late").status == 504
    assert api.get("/cell").text == "a cell\n"


def test_async_functions_run_beside_others(api: Arbiter) -> None:
    with api.connect() as first, api.connect() as second:
        for sock in (first, second):
            sock.sendall(b"GET /invoke/awaits?s=0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert api.get("/cell").text == "a cell\n"  # while both wait
        for sock in (first, second):
            assert b"".join(iter(lambda: sock.recv(65536), b"")).endswith(b"done")  # noqa: B023


@pytest.mark.parametrize(
    ("cell", "line", "message"),
    [
        ("# GET /x\ndef f(*args): ...", 2, "*args cannot be bound: name each parameter"),
        ("# GET /x/:id\ndef f(n: int): ...", 2, "it does not take the path's parameter id"),
        ("# GET /x\ndef f(a: int,\n      b: 'Nope'): ...", 3, "the annotation Nope does not exist"),
        ("# GET /x\ndef f(a: int) -> 'Nope': ...", 2, "the annotation Nope does not exist"),
        ("# GET /x\ndef f(a: int,\n      b: object.__class__.__call__): ...", 3, "b cannot be read from a request"),
        ("# GET /x\ndef f(item: Item): ...", 2, "item is a model, which a query cannot hold"),
        ("# POST /x\ndef f(point: Point): ...", 2, "point cannot be read from a request: name 'Nope' is not defined"),
        (
            "# GET /x\n@hide\ndef f(a: int): ...",
            3,
            "*args cannot be bound: name each parameter (a decorator needs functools.wraps)",
        ),
        ("# GET /x\n@nothing\ndef f(a: int): ...", 3, "it is a NoneType, which cannot be called"),
    ],
)
def test_a_function_that_cannot_be_bound_is_an_error_at_the_start(
    hopeless: Arbiter, cell: str, line: int, message: str
) -> None:
    worker = serve(
        hopeless,
        ["# GET /fine\ndef fine(): ...", cell],
        "from dataclasses import dataclass\nfrom pydantic import BaseModel\n"
        "class Item(BaseModel): a: int\n@dataclass\nclass Point: x: 'Nope'\n"
        "def hide(function):\n    return lambda *args, **kwargs: function(*args, **kwargs)\n"
        "def nothing(function): ...",
    )
    assert worker.verdict["did"] == "failed", worker.verdict
    (error,) = worker.verdict["errors"]
    assert (error["cell"], error["line"]) == (2, line)
    assert message in error["message"]


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    with Arbiter(tmp_path_factory.mktemp("hopeless")) as arbiter:
        yield arbiter
