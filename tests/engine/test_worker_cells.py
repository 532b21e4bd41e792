"""What cells can rely on, in a real kernel: results, namespaces, ResponseInfo, errors, HTTP."""

import base64
import fcntl
import json
import socket
import struct
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.protocol.messages import StaticText
from tests.support.arbiter import Arbiter, Worker, endpoint, eventually, notebook, serving

NOTEBOOK = r"""
import asyncio, contextvars, json, logging, sys, time
logging.basicConfig(level='INFO', format='%(message)s')
counter = 0
latest = None
REQUEST = json.dumps({'body': 'from the notebook'})
def who(): return json.loads(REQUEST)['args']['who'][0]
import types
helper = types.ModuleType('helper')
exec('def marker(): return get_ipython().user_ns["counter"] >= 0', helper.__dict__)
runs = []
flavour = contextvars.ContextVar('flavour')
flavour.set('seeded')

# GET /print
print('a', 1)
print('b', end='')
'ignored'

# GET /value
{'a': [1, 'é']}

# GET /nothing
x = 1

# GET /quiet
1;

# GET /html
from IPython.display import HTML
HTML('<b>x</b>')

# GET /png
from IPython.display import Image
Image(data=bytes([137, 80, 78, 71, 0]), format='png')

# GET /shell
word = 'from a shell'
!echo {word}; echo aside 1>&2

# GET /magic
%precision 2
3.14159

# GET /time
files = !echo one two
print(files[0])

# GET /cell/time
%%time
def f(): return json.loads(REQUEST)['method']
print('timed', f())

# GET /cell/bash

# timeout: 5
%%bash -s "$REQUEST"
echo "from bash: ${#1}"

# GET /cell/fails
%%time
1 / 0

# GET /cell/none
%%no_such_magic
x

# GET /helper
print(helper.marker())

# GET /helper/await
await asyncio.sleep(0)
print(helper.marker())

# GET /events/on
events = get_ipython().events
on_start = lambda info: print('starts', info.raw_cell.splitlines()[0])
on_end = lambda run: runs.append((run.success, run.result))
events.register('pre_run_cell', on_start)
events.register('post_run_cell', on_end)

# GET /events/value
6 * 7;
6 * 7

# GET /events/await
await asyncio.sleep(0)
1 / 0

# GET /events/off
events.unregister('pre_run_cell', on_start)
events.unregister('post_run_cell', on_end)
print(runs)

# GET /echo/:name
print(REQUEST)

# POST /echo/:name
print(REQUEST)

# PATCH /echo/:name
print(json.loads(REQUEST)['method'])

# POST /count
counter += 1
print(counter)

# GET /count
print(counter)

# GET /who
print(who())

# GET /twice
a, b = json.loads(REQUEST), json.loads(REQUEST)
a['args'].clear()
print(b['args'])

# GET /left
print([n for n in ('REQUEST', 'REQUEST_ERROR') if n in dir(sys.modules['__main__'])])

# GET /flavour
print(flavour.get())

# GET /logging
logging.getLogger().info('said by logging')
print('stderr', file=sys.stderr)
print('ok')

# GET /raise
def f():
    raise ValueError('no such thing')
f()

# GET /unprintable
class E(Exception):
    def __str__(self): raise KeyError(1)
raise E

# GET /badrepr
class B:
    def __repr__(self): raise ValueError('bad repr')
B()

# GET /group
raise ExceptionGroup('several', [ValueError('one'), KeyError('two')])

# GET /run
%run /no/such/file.py

# GET /exits
sys.exit(3)

# GET /interrupts
raise KeyboardInterrupt('by hand')

# GET /cancels
raise asyncio.CancelledError

# GET /input
input('Name? ')

# GET /getpass
import getpass
getpass.getpass()

# GET /nested
sleeping = asyncio.sleep(0)
try: asyncio.run(sleeping)
finally: sleeping.close()

# GET /created
counter2 = 5
print('{}')

# ResponseInfo GET /created
print(json.dumps({'status': 201, 'headers': {'Content-Type': 'application/json', 'X-N': counter2}}))

# GET /dictionary
print('x')

# ResponseInfo GET /dictionary
{'status': 201, 'headers': {'X-N': 5}}

# GET /text
print('x')

# ResponseInfo GET /text
json.dumps({'status': 202})

# GET /number
print('x')

# ResponseInfo GET /number
5

# GET /many
print('x')

# ResponseInfo GET /many
print(json.dumps({'headers': {'set-cookie': ['a=1', 'b=2'], 'Content-Length': 99}}))

# GET /empty
print('x')

# ResponseInfo GET /empty
print(json.dumps({'status': 204}))

# POST /said
print('x')

# ResponseInfo POST /said
print(json.loads(REQUEST)['body'])

# GET /info/raises
print('x')

# ResponseInfo GET /info/raises
1 / 0

# GET /deaf
raise KeyError('k')

# ResponseInfo GET /deaf
print(json.dumps({'status': 200}))

# GET /hears/:fail
if json.loads(REQUEST)['path']['fail'] == 'yes': raise LookupError('not here')
print('fine')

# ResponseInfo GET /hears/:fail
error = json.loads(REQUEST_ERROR)
print(json.dumps({'status': 404 if error else 200, 'headers': {'X-Error': error and error['type'] or 'none'}}))

# POST /alone
whose = json.loads(REQUEST)['args']['n'][0]
before = counter
time.sleep(0.005)  # another call that came in between would be seen
counter = before + 1
print(whose)

# ResponseInfo POST /alone
time.sleep(0.005)  # as above
print(json.dumps({'headers': {'X-Mine': whose, 'X-Count': counter}}))

# GET /request/own
REQUEST = json.dumps({'body': 'my own'})
print(json.loads(REQUEST)['body'])

# ResponseInfo GET /request/own
print(json.dumps({'headers': {'X-Body': json.loads(REQUEST)['body']}}))

# GET /request/await
REQUEST = 'my own'
await asyncio.sleep(0.05)  # others run meanwhile
print(REQUEST)

# GET /await
await asyncio.sleep(0)
class A:
    seen = json.loads(REQUEST)['args']['who'][0]
def inner(): return [json.loads(REQUEST)['args']['who'][0] for _ in range(2)]
await asyncio.sleep(0.05)
print(A.seen, *inner(), counter)

# GET /await/local
mine = counter = 'local'
await asyncio.sleep(0)
print(mine, counter)

# GET /await/leaks
await asyncio.sleep(0)
print('mine' in dir(sys.modules['__main__']), counter)

# GET /await/latest
while latest is None: await asyncio.sleep(0.005)
print(latest)

# POST /await/latest
latest = json.loads(REQUEST)['body']

# GET /await/raises
await asyncio.sleep(0)
raise ValueError('later')

# GET /await/info
x = 'kept'
await asyncio.sleep(0)
print(x)

# ResponseInfo GET /await/info
await asyncio.sleep(0)
print(json.dumps({'headers': {'X': x}}))

# GET /await/sleep
await asyncio.sleep(0.3)

# GET /several
part = [1]

# GET /several
part.append(2)

# GET /several
part

# GET /several/fails
x = 1

# GET /several/fails

x / 0
"""
SEED, ENDPOINTS = notebook(NOTEBOOK)
NUMBERS = {f"{each.method} {each.path}": each.cells[-1].number for each in ENDPOINTS}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    static = {
        "/_api/spec/swagger.json": StaticText("application/json", '{"swagger": "2.0"}'),
        "/_api/spec/openapi.json": StaticText("application/json", "{}", '{"own": "é"}'),
    }
    with serving(tmp_path_factory.mktemp("cells"), *ENDPOINTS, seed=SEED, static=static) as arbiter:
        yield arbiter


@pytest.fixture
def worker(api: Arbiter) -> Worker:
    return api.workers[0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/print", "a 1\nb"),
        ("/value", json.dumps({"text/plain": "{'a': [1, 'é']}"})),
        ("/nothing", ""),
        ("/quiet", ""),
        ("/html", json.dumps({"text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>x</b>"})),
        ("/magic", json.dumps({"text/plain": "3.14"})),
        ("/time", "one two\n"),
        ("/several", json.dumps({"text/plain": "[1, 2]"})),
    ],
)
def test_what_a_cell_prints_is_the_body_and_else_its_value(api: Arbiter, path: str, body: str) -> None:
    response = api.get(path)
    assert (response.status, response.text) == (200, body)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Length"] == str(len(body.encode()))


def test_an_image_is_base64_in_its_bundle(api: Arbiter) -> None:
    assert base64.b64decode(api.get("/png").json["image/png"]) == b"\x89PNG\0"


def test_a_shell_command_prints_into_the_body(api: Arbiter) -> None:
    assert "from a shell" in api.get("/shell").text


def test_a_cell_magic_works_below_the_annotation(api: Arbiter) -> None:
    assert api.get("/cell/time").text.splitlines()[0] == "timed GET"
    assert "Wall time" in api.get("/cell/time").text
    length = int(api.get("/cell/bash").text.removeprefix("from bash: "))
    assert length > 50


def test_a_cell_magic_that_fails_or_does_not_exist_is_an_error(api: Arbiter) -> None:
    assert api.get("/cell/fails").json["message"] == "ZeroDivisionError: division by zero"
    assert "`%%no_such_magic` not found" in api.get("/cell/none").json["message"]


def test_modules_may_use_get_ipython_as_in_an_ordinary_cell(api: Arbiter) -> None:
    assert (api.get("/helper").text, api.get("/helper/await").text) == ("True\n", "True\n")


def test_what_is_registered_for_a_cells_run_is_called_for_requests(api: Arbiter) -> None:
    api.get("/events/on")
    try:
        assert api.get("/events/value").text == "starts # GET /events/value\n"
        assert api.get("/events/await").status == 500
    finally:
        runs = api.get("/events/off").text
    assert runs == "starts # GET /events/off\n[(True, 42), (False, None)]\n"


def test_request_says_what_was_asked(api: Arbiter) -> None:
    response = api.ask("POST", "/echo/a%20b?x=1&x=2", b'{"k": [1]}', {"Content-Type": "application/json", "a-b": "c"})
    message = response.json
    assert message["body"] == {"k": [1]}
    assert message["args"] == {"x": ["1", "2"]}
    assert message["path"] == {"name": "a b"}
    assert message["headers"]["A-B"] == "c"
    assert (message["method"], message["url"]) == ("POST", "/invoke/echo/a%20b?x=1&x=2")


@pytest.mark.parametrize("address", ["/apis/shop", "/apis/%73hop"])
def test_the_apis_own_address_has_the_same_endpoints(api: Arbiter, address: str) -> None:
    message = api.ask("POST", "/echo/a%20b?x=1", b"", address=address).json
    assert (message["path"], message["url"]) == ({"name": "a b"}, f"{address}/echo/a%20b?x=1")
    refusal = api.ask("GET", "/raise", address=address)
    assert (refusal.status, refusal.json["extensions"]["path"]) == (500, f"{address}/raise")


def test_parsing_request_twice_gives_two_independent_values(api: Arbiter) -> None:
    assert api.get("/twice?a=1").text == "{'a': ['1']}\n"


def test_cells_share_the_kernels_globals(api: Arbiter) -> None:
    first = int(api.ask("POST", "/count").text)
    assert int(api.ask("POST", "/count").text) == first + 1
    assert int(api.get("/count").text) == first + 1


def test_functions_of_ordinary_cells_see_the_request(api: Arbiter) -> None:
    assert api.get("/who?who=ada").text == "ada\n"


def test_after_a_request_the_names_are_what_the_notebook_made_them(api: Arbiter, worker: Worker) -> None:
    api.get("/value")
    api.get("/hears/yes")
    assert api.get("/left").text == "['REQUEST']\n"
    worker.execute("assert json.loads(REQUEST) == {'body': 'from the notebook'}")


def test_context_variables_of_ordinary_cells_are_seen_as_in_the_next_cell(api: Arbiter, worker: Worker) -> None:
    try:
        worker.execute("flavour.get()")
    except AssertionError:
        pytest.skip("this ipykernel gives each cell a context of its own")
    assert api.get("/flavour").text == "seeded\n"


def test_stderr_and_logging_go_to_the_log_under_the_request(api: Arbiter, worker: Worker) -> None:
    response = api.get("/logging", X_Request_Id="log-me")
    assert response.text == "ok\n"
    log = worker.wait_for_log("[log-me] stderr\n")
    assert "[log-me] said by logging\n" in log


def test_an_exception_is_500_in_the_form_hasura_reads(api: Arbiter) -> None:
    response = api.get("/raise", X_Request_Id="id-1")
    assert (response.status, response.headers["Content-Type"]) == (500, "application/json")
    assert response.headers["X-Request-Id"] == "id-1"
    assert response.json == {
        "message": "ValueError: no such thing",
        "extensions": {"code": "cell-failed", "method": "GET", "path": "/invoke/raise", "request_id": "id-1"},
    }


def test_the_traceback_goes_to_the_log_with_cell_and_line(api: Arbiter, worker: Worker) -> None:
    api.get("/raise", X_Request_Id="trace-me")
    log = worker.wait_for_log("[trace-me] ValueError: no such thing")
    assert f"[trace-me] Cell In[{NUMBERS['GET /raise']}], line 4" in log
    assert "----> 3     raise ValueError('no such thing')" in log
    trace = "".join(line for line in log.splitlines(True) if line.startswith("[trace-me]"))
    assert "\x1b" not in trace
    assert "/gateway/" not in trace


def test_each_of_several_cells_is_named_by_its_own_number(api: Arbiter, worker: Worker) -> None:
    assert api.get("/several/fails", X_Request_Id="second").status == 500
    assert f"[second] Cell In[{NUMBERS['GET /several/fails']}], line 3" in worker.wait_for_log(
        "[second] ZeroDivisionError: division by zero"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/unprintable", "E: (its __str__ raised KeyError)"),
        ("/badrepr", "ValueError: bad repr"),
        ("/group", "ExceptionGroup: several (2 sub-exceptions)"),
        ("/exits", "SystemExit: 3"),
        ("/interrupts", "KeyboardInterrupt: by hand"),
        ("/cancels", "CancelledError: "),
        ("/input", "StdinNotImplementedError: a cell that handles requests cannot ask for input"),
        ("/getpass", "StdinNotImplementedError: a cell that handles requests cannot ask for input"),
        ("/nested", "RuntimeError: asyncio.run() cannot be called from a running event loop"),
        ("/await/raises", "ValueError: later"),
    ],
)
def test_whatever_a_cell_raises_is_an_answer(api: Arbiter, path: str, message: str) -> None:
    response = api.get(path)
    assert (response.status, response.json["message"]) == (500, message)
    assert api.get("/print").status == 200


def test_what_ipython_shows_instead_of_raising_fails_the_request_too(api: Arbiter) -> None:
    assert api.get("/run").status == 500


def test_response_info_sets_status_and_headers(api: Arbiter) -> None:
    response = api.get("/created")
    assert (response.status, response.text) == (201, "{}\n")
    assert (response.headers["Content-Type"], response.headers["X-N"]) == ("application/json", "5")


def test_response_info_may_end_in_a_dictionary_or_its_json(api: Arbiter) -> None:
    response = api.get("/dictionary")
    assert (response.status, response.text, response.headers["X-N"]) == (201, "x\n", "5")
    assert (api.get("/text").status, api.get("/text").text) == (202, "x\n")
    assert api.get("/number").json["extensions"]["code"] == "bad-response-info"


def test_response_info_may_repeat_a_header_and_cannot_break_the_framing(api: Arbiter) -> None:
    response = api.get("/many")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert (response.headers["Content-Length"], response.text) == ("2", "x\n")


def test_a_status_without_body_has_none(api: Arbiter) -> None:
    response = api.get("/empty")
    assert (response.status, response.body, response.headers["Content-Length"]) == (204, b"", None)


@pytest.mark.parametrize(
    "output",
    [
        "no json",
        "",
        "[]",
        '{"status": "404"}',
        '{"status": 99}',
        '{"status": 101}',
        '{"status": true}',
        '{"status": 600}',
        '{"status": 200.0}',
        '{"status": NaN}',
        '{"status": null}',
        "null",
        "NaN",
        '{"headers": {"X": "a\\r\\nSet-Cookie: x=1"}}',
        '{"headers": {"X": ["a", "b\\nSet-Cookie: x=1"]}}',
        '{"headers": {"X\\r\\nSet-Cookie": "x=1"}}',
        '{"headers": {"X": "a\\u0000b"}}',
        '{"headers": {"": "a"}}',
        '{"headers": {"X": NaN}}',
        '{"headers": {"X": {}}}',
        '{"headers": {"X y": "a"}}',
        '{"headers": {"X": null}}',
        '{"headers": []}',
    ],
)
def test_a_response_info_that_makes_no_sense_is_named(api: Arbiter, output: str) -> None:
    response = api.post("/said", output.encode(), "text/plain")
    assert (response.status, response.json["extensions"]["code"]) == (500, "bad-response-info")
    assert response.json["message"].startswith(f"the ResponseInfo in cell {NUMBERS['POST /said'] + 1} ")
    assert response.headers["Set-Cookie"] is None


def test_a_response_info_that_raises_is_500(api: Arbiter, worker: Worker) -> None:
    assert api.get("/info/raises", X_Request_Id="in-info").json["message"] == "ZeroDivisionError: division by zero"
    assert f"[in-info] Cell In[{NUMBERS['GET /info/raises'] + 1}], line 2" in worker.wait_for_log(
        "[in-info] ZeroDivisionError"
    )


def test_response_info_has_no_part_in_an_error_unless_it_asks(api: Arbiter) -> None:
    assert (api.get("/deaf").status, api.get("/deaf").json["message"]) == (500, "KeyError: 'k'")


def test_response_info_that_mentions_request_error_decides_about_errors(api: Arbiter) -> None:
    response = api.get("/hears/yes")
    assert (response.status, response.headers["X-Error"]) == (404, "LookupError")
    assert response.json["message"] == "LookupError: not here"
    fine = api.get("/hears/no")
    assert (fine.status, fine.headers["X-Error"], fine.text) == (200, "none", "fine\n")


def test_no_other_request_comes_between_a_cell_and_its_response_info(api: Arbiter) -> None:
    first = int(api.get("/count").text)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: api.ask("POST", f"/alone?n={n}"), range(40)))
    assert [(answer.text, answer.headers["X-Mine"]) for answer in answers] == [(f"{n}\n", str(n)) for n in range(40)]
    assert sorted(int(answer.headers["X-Count"]) for answer in answers) == list(range(first + 1, first + 41))


def test_a_cell_may_assign_request_until_it_ends(api: Arbiter) -> None:
    for _ in range(2):
        own = api.get("/request/own")
        assert (own.text, own.headers["X-Body"]) == ("my own\n", "my own")
        assert api.get("/who?who=ada").text == "ada\n"
    with ThreadPoolExecutor(2) as pool:
        beside = pool.submit(api.get, "/request/await")
        assert api.get("/who?who=ada").text == "ada\n"
        assert beside.result().text == "my own\n"
    assert api.get("/left").text == "['REQUEST']\n"


def test_cells_that_await_run_beside_each_other_each_with_its_own_request(api: Arbiter) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: api.get(f"/await?who={n}").text, range(20)))
    count = api.get("/count").text
    assert answers == [f"{n} {n} {n} {count}" for n in range(20)]


def test_what_such_a_cell_assigns_is_its_own(api: Arbiter) -> None:
    assert api.get("/await/local").text == "local local\n"
    assert api.get("/await/leaks").text == f"False {api.get('/count').text}"


def test_such_a_cell_sees_the_globals_change(api: Arbiter) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, "/await/latest")
        eventually(lambda: len(api.workers[0].state().running) == 1, "the cell waits")
        api.post("/await/latest", "news")
        assert waiting.result().text == "news\n"


def test_response_info_shares_the_namespace_of_a_cell_that_awaits(api: Arbiter) -> None:
    response = api.get("/await/info")
    assert (response.text, response.headers["X"]) == ("kept\n", "kept")


def test_while_one_cell_awaits_others_are_answered(api: Arbiter) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, "/await/sleep")
        eventually(lambda: len(api.workers[0].state().running) == 1, "the cell waits")
        assert api.get("/print").status == 200
        assert not waiting.done()


def test_head_is_get_without_the_body(api: Arbiter) -> None:
    response = api.ask("HEAD", "/print")
    assert (response.status, response.body, response.headers["Content-Length"]) == (200, b"", "5")


def test_options_and_wrong_methods_are_told_what_is_allowed(api: Arbiter) -> None:
    response = api.ask("OPTIONS", "/echo/x")
    assert (response.status, response.headers["Allow"]) == (204, "GET, POST, PATCH, HEAD, OPTIONS")
    refusal = api.ask("DELETE", "/echo/x")
    assert (refusal.status, refusal.headers["Allow"]) == (405, response.headers["Allow"])
    assert refusal.json["extensions"]["code"] == "method-not-allowed"
    assert api.ask("PATCH", "/echo/x").text == "PATCH\n"


def test_unknown_paths_are_404_as_json(api: Arbiter) -> None:
    response = api.get("/no/such/path")
    assert (response.status, response.json["extensions"]["code"]) == (404, "not-found")


def test_static_texts_are_served(api: Arbiter) -> None:
    response = api.get("/_api/spec/swagger.json")
    assert (response.json, response.headers["Content-Type"]) == ({"swagger": "2.0"}, "application/json")


def test_a_static_text_may_be_another_at_the_apis_own_address(api: Arbiter) -> None:
    for path, default, own in (
        ("/_api/spec/swagger.json", {"swagger": "2.0"}, {"swagger": "2.0"}),
        ("/_api/spec/openapi.json", {}, {"own": "é"}),
    ):
        texts = [api.ask("GET", path, address=address).json for address in ("/invoke", "/apis/shop", "/apis/s%68op")]
        assert texts == [default, own, own]


POST = b"POST /invoke/echo/x HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /invoke/%ff HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /invoke/print?x=%ff HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /invoke/print HTTP/1.1\r\nX: " + b"x" * 70_000, b"431"),
        (b"GET /invoke/print HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"200"),
        (POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", b"200"),
        # Not a 200 for a body that got lost.
        (POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", b"400"),
        (POST + b"Content-Length: 4\r\nContent-Length: 2\r\n\r\nabcd", b"400"),
        (POST + b"Content-Length: -1\r\n\r\n", b"400"),
        (POST + b"Content-Length: +2\r\n\r\nab", b"400"),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\nab", b"400"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\nab", b"400"),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (POST + b"X: a\r\n folded\r\n\r\n", b"400"),
        (POST + b"X: a\0b\r\n\r\n", b"400"),
        (POST + b"X: a\rb\r\n\r\n", b"400"),
        (b"GET /invoke/print HTTP/1.1\nHost: h\n\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"BREW /invoke/print HTTP/1.1\r\n\r\n", b"400"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /invoke/../print HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /invoke/" + b"a/" * 20_000 + b" HTTP/1.1\r\n\r\n", b"404"),
        (b"TRACE /invoke/print HTTP/1.1\r\n\r\n", b"405"),
    ],
)
def test_what_is_no_request_is_refused_as_json(api: Arbiter, request_bytes: bytes, status: bytes) -> None:
    answer = api.raw(request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"\r\nConnection: close\r\n" in answer
    if status != b"200":
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert api.get("/print").status == 200


def test_a_request_behind_another_is_not_mixed_with_it(api: Arbiter) -> None:
    second = b"POST /invoke/count HTTP/1.1\r\nX-Second: 1\r\nContent-Length: 2\r\n\r\nno"
    answer = api.raw(POST + b"Content-Length: 3\r\n\r\nyes" + second)
    message = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (message["body"], message["url"], "X-Second" in message["headers"]) == ("yes", "/invoke/echo/x", False)


def test_a_trailer_is_not_taken_for_a_header(api: Arbiter) -> None:
    chunks = b"1\r\na\r\n0\r\nX-User: root\r\nX-Request-Id: forged\r\n\r\n"
    answer = api.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    message = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert message["body"] == "a"
    assert not {"X-User", "X-Request-Id"} & set(message["headers"])


def test_many_headers_and_parameters_arrive(api: Arbiter) -> None:
    headers = b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(1000)) + b"Same: y\r\n" * 1000
    query = b"&".join(b"a=%d" % n for n in range(1000))
    answer = api.raw(b"GET /invoke/echo/x?" + query + b" HTTP/1.1\r\n" + headers + b"\r\n")
    message = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert message["headers"]["X-999"] == "999"
    assert message["headers"]["Same"] == ["y"] * 1000
    assert message["args"] == {"a": [str(n) for n in range(1000)]}


def unread(sock: socket.socket) -> int:
    """Bytes sent that the other end has not read yet."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def test_a_request_may_come_in_pieces(api: Arbiter) -> None:
    with api.connect() as sock:
        for piece in (
            b"POST /invoke/echo/x HTTP/1.1\r\nHos",
            b"t: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na",
        ):
            sock.sendall(piece)
            eventually(lambda: unread(sock) == 0, "the kernel has read this piece")
        sock.sendall(b"bc\r\n2\r\nde\r\n0\r\n\r\n")
        assert b'"abcde"' in b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_large_body_arrives_whole(api: Arbiter) -> None:
    body = "é" * 1_000_000
    assert api.post("/echo/x", body).json["body"] == body


def test_a_caller_who_asks_is_told_to_continue(api: Arbiter) -> None:
    with api.connect() as sock:
        sock.sendall(b"POST /invoke/echo/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert b'"ok"' in b"".join(iter(lambda: sock.recv(65536), b""))


def test_cells_that_do_not_compile_are_all_reported(tmp_path: Path) -> None:
    with Arbiter(tmp_path) as arbiter:
        worker = arbiter.start(
            endpoint("GET /a", "x = = 1"),
            endpoint("GET /b", "print(1)", "\nreturn 1"),
            endpoint("GET /c", "print(1)"),
        )
        assert worker.verdict["did"] == "failed"
        errors = {error["cell"]: error for error in worker.verdict["errors"]}
        assert (errors[1]["line"], errors[2]["line"]) == (2, 3)
        assert errors[1]["message"] == "SyntaxError: invalid syntax"
        assert errors[2]["message"] == "SyntaxError: 'return' outside function"


def test_a_caller_sees_the_traceback_if_a_setting_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, endpoint("PUT /x", "1 / 0"), show_traceback=True) as arbiter:
        assert "Cell In[1], line 2" in arbiter.ask("PUT", "/x", None).json["extensions"]["traceback"]


def test_attaching_leaves_no_names_behind(api: Arbiter, worker: Worker) -> None:
    worker.execute("assert not [name for name in dir() if 'gateway' in name or 'attach' in name], dir()")


def test_the_jupyter_protocol_still_works(api: Arbiter, worker: Worker) -> None:
    messages: list[Any] = []
    worker.client.execute_interactive("print('by protocol')", output_hook=messages.append, timeout=20)
    texts = [message["content"]["text"] for message in messages if message["msg_type"] == "stream"]
    assert texts == ["by protocol\n"]
    assert api.get("/print").status == 200


def test_a_caller_who_has_the_answer_already_is_told_so(api: Arbiter) -> None:
    tag = api.get("/print").headers["Etag"]
    again = api.get("/print", If_None_Match=tag)
    assert (again.status, again.body, again.headers["Content-Type"]) == (304, b"", None)
    assert api.get("/print", If_None_Match='"another"').status == 200
    assert api.ask("POST", "/count").headers["Etag"] is None
