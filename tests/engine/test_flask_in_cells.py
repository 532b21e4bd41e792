"""Flask's words in a cell, as in a view: the application and the request context, and what reads them."""

import hashlib
import hmac
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.arbiter import Arbiter, Worker, notebook, serving

# No ordinary cell imports Flask: the first request does, as in many notebooks.
NOTEBOOK = r"""
import asyncio, hashlib, hmac, json, sys, threading
with open('sent.txt', 'wb') as file: file.write(b'\0content')

# GET /imports
print([name for name in sys.modules if name.partition('.')[0] in ('flask', 'werkzeug')])

# GET /first
await asyncio.sleep(0.05)  # all of several calls have begun before one of them imports Flask
import flask
flask.jsonify(flask.request.args)

# GET /jsonify
flask.jsonify(b=1, a='é')

# GET /make_response
import flask
flask.make_response('x', 201, {'X-A': 'b'})

# GET /redirect
import flask
flask.redirect('/elsewhere', 303)

# GET /send_file
import flask
flask.send_file('sent.txt', as_attachment=True, download_name='é.txt')

# GET /template
import flask
flask.render_template_string('{{ 1 + 1 }} {{ request.args.name }} {{ g.get("x") }}')

# GET /template/file
import flask, os
os.makedirs('templates', exist_ok=True)
with open('templates/page.html', 'w') as file: size = file.write('<b>{{ name }}</b>')
flask.Response(flask.render_template('page.html', name='<x>'))

# GET /stream
import flask
def rows():
    for n in range(3): yield f"{flask.request.args['q']}{n} "
flask.Response(flask.stream_with_context(rows()), mimetype='text/csv')

# GET /stream/await
import flask
await asyncio.sleep(0)
def rows():
    for n in range(3): yield f"{flask.request.args['q']}{n} "
flask.Response(flask.stream_with_context(rows()))

# POST /request/:name
import flask
r = flask.request
print(json.dumps({
    'method': r.method, 'path': r.path, 'url': r.url, 'root': r.script_root, 'full': r.full_path,
    'args': r.args.to_dict(flat=False), 'form': r.form.to_dict(flat=False), 'header': r.headers.get('x-mine'),
    'files': {k: [f.filename, f.read().decode()] for k, f in r.files.items()}, 'address': r.remote_addr,
    'json': r.get_json(silent=True), 'length': r.content_length, 'cookies': r.cookies, 'secure': r.is_secure,
    'id': json.loads(REQUEST)['headers'].get('X-Mine'),
}))

# GET /url_for
import flask
flask.current_app.add_url_rule('/to/<name>', 'to')
print(flask.url_for('to', name='a b'))

# POST /hook
import flask
print(hmac.new(b'key', flask.request.get_data(), hashlib.sha256).hexdigest())

# POST /json
import flask
print(flask.request.json)

# GET /g
import flask
before = flask.g.get('seen')
flask.g.seen = flask.request.args['q']
print(before)

# GET /g/await
import flask
flask.g.q = flask.request.args['q']
await asyncio.sleep(0.01)
async def child(): return flask.g.q
print(flask.g.q, await asyncio.create_task(child()), await asyncio.to_thread(lambda: flask.request.args['q']))

# GET /after
import flask
@flask.after_this_request
def add(response):
    response.headers['X-After'] = flask.request.args.get('q', 'none')
    response.set_cookie('seen', '1')
    return response
print('printed')

# GET /after/value
import flask
@flask.after_this_request
def replace(response): return flask.Response(response.get_data() + b'!', 203)
flask.Response('x')

# GET /after/abort
import flask
@flask.after_this_request
def add(response):
    response.headers['X-After'] = str(response.status_code)
    return response
flask.abort(404)

# GET /after/stream
import flask
@flask.after_this_request
def add(response):
    response.headers['X-After'] = str(response.is_streamed)
    return response
flask.Response(n for n in 'ab')

# GET /after/stream/await
import flask
await asyncio.sleep(0)
@flask.after_this_request
def add(response):
    response.headers['X-After'] = flask.request.args['q']
    return response
async def rows():
    for n in range(3):
        await asyncio.sleep(0)
        yield f"{flask.request.args['q']}{n} "
flask.Response(rows())

# GET /after/stream/empty
import flask
@flask.after_this_request
def empty(response):
    response.status_code = 204
    return response
closed = []
response = flask.Response(n for n in 'ab')
response.call_on_close(lambda: closed.append(True))
response

# GET /after/stream/closed
print(closed)

# GET /after/info
import flask
@flask.after_this_request
def add(response):
    response.headers['X-After'] = str(response.status_code)
    return response
print('x')

# ResponseInfo GET /after/info
print(json.dumps({'status': 202, 'headers': {'X-Info': 'yes'}}))

# GET /after/raises
import flask
@flask.after_this_request
def fail(response): 1 / 0
print('x')

# GET /after/nothing
import flask
flask.after_this_request(lambda response: None)
print('x')

# GET /after/hangs within 0.3 s
import flask
@flask.after_this_request
def hang(response):
    while True: pass
print('x')

# GET /thread
import flask
seen = []
def run():
    try: seen.append(flask.request.args['q'])
    except RuntimeError as error: seen.append(str(error).split('\n')[0])
for target in (run, flask.copy_current_request_context(run)):
    thread = threading.Thread(target=target); thread.start(); thread.join()
print(seen)

# GET /later
import flask
later = []
async def touch():
    await asyncio.sleep(0.01)
    try: later.append(flask.request.args['q'])
    except RuntimeError as error: later.append(str(error))
task = asyncio.get_running_loop().create_task(touch())
print(flask.request.args['q'])

# GET /later/result
await task
print(later[-1])

# GET /tuple/:case
import flask
r = flask.Response('made')
case = json.loads(REQUEST)['path']['case']
{'status': (r, 201), 'headers': (r, {'X-A': 'b'}), 'both': (r, '418 Teapot', [('X-A', 'b')]), 'plain': ('made', 201),
 'wrong': (r, 201, {}, 'more')}[case]

# GET /session
import flask
flask.session['a'] = 1

# GET /abort
import flask
flask.abort(404, 'no such product')

# GET /unavailable
from werkzeug.exceptions import ServiceUnavailable
raise ServiceUnavailable('soon', retry_after=7)

# GET /abort/response
import werkzeug.utils
import flask
flask.abort(werkzeug.utils.redirect('/x?y', 303))

# GET /response
from flask import Response
print('aside')
Response(b'\x00\xff', 202, {'X-A': 'b'}, content_type='image/x')

# GET /generator
from flask import Response
Response((f'{n},' for n in range(3)), mimetype='text/csv')

# GET /generator/breaks
from flask import Response
def rows():
    yield 'a'
    1 / 0
Response(rows())

# GET /generator/wrong
from flask import Response
Response(n for n in ['a', 5])

# GET /generator/empty/:status
from flask import Response
Response((n for n in 'ab'), int(json.loads(REQUEST)['path']['status']))

# GET /injects/name
from flask import Response
Response('x', headers={'X\r\nSet-Cookie: a=1\r\nY': 'b'})

# GET /injects/value
from flask import Response
r = Response('x')
r.headers._list.append(('X', 'a\r\nSet-Cookie: a=1'))
r

# GET /injects/abort
from werkzeug.exceptions import Conflict
class E(Conflict):
    def get_headers(self, *args): return [('X', 'a\r\nSet-Cookie: a=1')]
raise E

# GET /framing/abort
from werkzeug.exceptions import Conflict
class E(Conflict):
    def get_headers(self, *args): return [('Content-Length', '1'), ('X', 'kept')]
raise E('in the way')

# GET /status/:status
from flask import Response
r = Response('x')
r.status_code = int(json.loads(REQUEST)['path']['status'])
r

# GET /app
import flask
print(flask.current_app.name, flask.has_request_context(), flask.url_for.__name__)

# GET /own
import flask
own = flask.Flask('own')
with own.test_request_context('/x?q=pushed'):
    print(flask.request.args['q'], flask.current_app.name)
print(flask.request.args['q'])
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    seed, endpoints = notebook(NOTEBOOK)
    with serving(tmp_path_factory.mktemp("flask"), *endpoints, seed=seed) as arbiter:
        assert arbiter.get("/imports").text == "[]\n", "a kernel imports neither before the notebook does"
        # Calls that have begun before Flask is imported have its contexts, too.
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda n: arbiter.get(f"/first?n={n}").json, range(4))
        assert list(answers) == [{"n": str(n)} for n in range(4)]
        yield arbiter


@pytest.fixture
def worker(api: Arbiter) -> Worker:
    return api.workers[0]


def test_abort_answers_as_json(api: Arbiter, worker: Worker) -> None:
    response = api.get("/abort", X_Request_Id="aborted")
    assert (response.status, response.json["message"]) == (404, "no such product")
    assert response.json["extensions"]["code"] == "not-found"
    assert "[aborted]" not in worker.log.read_text()


def test_the_headers_of_an_http_exception_are_kept(api: Arbiter) -> None:
    response = api.get("/unavailable")
    assert (response.status, response.headers["Retry-After"]) == (503, "7")
    assert (response.headers["Content-Type"], response.json["message"]) == ("application/json", "soon")


def test_abort_with_a_response_is_that_response(api: Arbiter) -> None:
    response = api.get("/abort/response")
    assert (response.status, response.headers["Location"]) == (303, "/x?y")


def test_a_flask_response_is_the_answer(api: Arbiter, worker: Worker) -> None:
    response = api.get("/response", X_Request_Id="with-aside")
    assert (response.status, response.body, response.headers["X-A"]) == (202, b"\x00\xff", "b")
    assert response.headers["Content-Type"] == "image/x"
    worker.wait_for_log("[with-aside] aside")


def test_a_generator_streams(api: Arbiter) -> None:
    response = api.get("/generator")
    assert (response.text, response.headers["Transfer-Encoding"]) == ("0,1,2,", "chunked")
    assert api.raw(b"GET /invoke/generator HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n0,1,2,")
    assert api.ask("HEAD", "/generator").body == b""


def test_a_stream_that_breaks_does_not_end_as_if_it_were_whole(api: Arbiter) -> None:
    raw = api.raw(b"GET /invoke/generator/breaks HTTP/1.1\r\nHost: h\r\n\r\n")
    assert raw.endswith(b"1\r\na\r\n")
    assert api.get("/jsonify").status == 200


@pytest.mark.parametrize("path", ["/injects/name", "/injects/value", "/injects/abort"])
def test_no_header_of_a_response_can_bring_another_with_it(api: Arbiter, path: str) -> None:
    response = api.get(path)
    assert (response.status, response.json["extensions"]["code"]) == (500, "cell-failed")
    assert response.json["message"].startswith("ValueError: the response sets the header ")
    assert response.headers["Set-Cookie"] is None


def test_an_http_exception_cannot_break_the_framing(api: Arbiter) -> None:
    response = api.get("/framing/abort")
    assert (response.status, response.headers["X"], response.json["message"]) == (409, "kept", "in the way")
    assert response.headers.get_all("Content-Length") == [str(len(response.body))]


@pytest.mark.parametrize("status", [0, 99, 101, 199, 600, 1000])
def test_a_response_with_a_status_that_http_does_not_know_is_500(api: Arbiter, status: int) -> None:
    response = api.get(f"/status/{status}")
    assert response.status == 500
    assert response.json["message"] == f"ValueError: the response has the status {status}: give one from 200 to 599"


@pytest.mark.parametrize("status", [204, 304])
def test_a_stream_with_a_status_without_body_has_none(api: Arbiter, status: int) -> None:
    raw = api.raw(b"GET /invoke/generator/empty/%d HTTP/1.1\r\n\r\n" % status)
    assert raw.startswith(b"HTTP/1.1 %d " % status)
    assert raw.endswith(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in raw


def test_a_stream_of_anything_but_text_and_bytes_breaks_off(api: Arbiter, worker: Worker) -> None:
    raw = api.raw(b"GET /invoke/generator/wrong HTTP/1.1\r\nX-Request-Id: wrong-piece\r\n\r\n")
    assert raw.endswith(b"1\r\na\r\n")
    worker.wait_for_log("[wrong-piece] TypeError: a response is streamed as str or bytes, not as int")


def test_jsonify_needs_no_import_of_ours(api: Arbiter, worker: Worker) -> None:
    worker.execute("import flask")
    response = api.get("/jsonify")
    assert (response.json, response.headers["Content-Type"]) == ({"b": 1, "a": "é"}, "application/json")


def test_make_response_and_redirect_answer_as_in_a_view(api: Arbiter) -> None:
    made = api.get("/make_response")
    assert (made.status, made.text, made.headers["X-A"]) == (201, "x", "b")
    moved = api.get("/redirect")
    assert (moved.status, moved.headers["Location"]) == (303, "/elsewhere")


def test_send_file_sends_a_file_of_the_notebooks_folder(api: Arbiter) -> None:
    response = api.get("/send_file")
    assert (response.status, response.body) == (200, b"\0content")
    assert response.headers["Content-Disposition"] == "attachment; filename=e.txt; filename*=UTF-8''%C3%A9.txt"
    assert api.get("/send_file", If_None_Match=response.headers["ETag"]).status == 304
    part = api.get("/send_file", Range="bytes=1-2")
    assert (part.status, part.body) == (206, b"co")


def test_templates_see_the_request_and_lie_in_the_notebooks_folder(api: Arbiter) -> None:
    assert "2 é None" in api.get("/template?name=%C3%A9").json["text/plain"]
    assert api.get("/template/file").text == "<b>&lt;x&gt;</b>"


@pytest.mark.parametrize("path", ["/stream", "/stream/await"])
def test_a_stream_with_context_reads_its_own_request(api: Arbiter, path: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda q: api.get(f"{path}?q={q}").text, "abcd")) == [f"{q}0 {q}1 {q}2 " for q in "abcd"]


def test_the_request_is_what_a_view_sees(api: Arbiter) -> None:
    headers = {
        **{"Host": "api.example:8443", "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7", "Cookie": "a=1; b=2"},
        **{"X-Mine": "yes", "X_Mine": "no", "Content-Type": "application/x-www-form-urlencoded"},
    }
    response = api.ask("POST", "/request/a%20%C3%A9?x=1&x=2&y=%C3%BC", b"f=1&f=%C3%A9", headers)
    assert response.json == {
        "method": "POST",
        "path": "/request/a é",
        "url": "https://api.example:8443/invoke/request/a%20é?x=1&x=2&y=ü",
        "root": "/invoke",
        "full": "/request/a é?x=1&x=2&y=%C3%BC",
        "args": {"x": ["1", "2"], "y": ["ü"]},
        "form": {"f": ["1", "é"]},
        "header": "yes",
        "files": {},
        "address": "192.0.2.7",
        "json": None,
        "length": 12,
        "cookies": {"a": "1", "b": "2"},
        "secure": True,
        "id": "yes",
    }


@pytest.mark.parametrize(
    ("address", "shown"),
    [("/invoke", "/invoke"), ("/apis/shop", "/apis/shop"), ("/apis/sh%6Fp%20%C3%A9", "/apis/shop%20é")],
)
def test_urls_begin_with_the_address_that_was_called(api: Arbiter, address: str, shown: str) -> None:
    seen = api.ask("POST", "/request/a%20b?x=1", b"", {"Host": "api.example"}, address).json
    assert (seen["path"], seen["root"]) == ("/request/a b", address)
    assert seen["url"] == f"http://api.example{shown}/request/a%20b?x=1"
    assert api.ask("GET", "/url_for", address=address).text == f"{address}/to/a%20b\n"


def test_uploaded_files_are_in_its_files(api: Arbiter) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\ncontent\r\n'
        b'--B\r\nContent-Disposition: form-data; name="g"\r\n\r\n1\r\n--B--\r\n'
    )
    seen = api.post("/request/x", body, "multipart/form-data; boundary=B").json
    assert (seen["files"], seen["form"]) == ({"f": ["a.txt", "content"]}, {"g": ["1"]})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"id":1, "price":10.00,"name":"caf\\u00e9 \xc3\xa9"}', "application/json"),
        (b"a=1&b=%20+", "application/x-www-form-urlencoded"),
        (b"\x00\xff" * 200_000, "application/octet-stream"),
        (b"", "application/json"),
    ],
)
def test_a_signature_can_be_checked_over_the_bytes_that_were_sent(api: Arbiter, body: bytes, content_type: str) -> None:
    assert api.post("/hook", body, content_type).text.strip() == hmac.new(b"key", body, hashlib.sha256).hexdigest()


def test_no_body_that_flask_has_read_is_kept(api: Arbiter, worker: Worker) -> None:
    def post() -> None:
        assert api.post("/hook", b"x" * 1_000_000, "text/plain").status == 200

    for _ in range(10):
        post()
    before = worker.rss_kb()
    for _ in range(30):
        post()
    assert worker.rss_kb() < before + 15_000


def test_what_flask_rejects_is_its_status_as_json(api: Arbiter) -> None:
    assert api.post("/json", {"a": 1}).text == "{'a': 1}\n"
    for content_type, status in (("application/json", 400), ("text/plain", 415)):
        response = api.post("/json", b"{", content_type)
        assert (response.status, list(response.json)) == (status, ["message", "extensions"])


def test_g_is_new_for_each_request(api: Arbiter) -> None:
    assert [api.get(f"/g?q={q}").text for q in "ab"] == ["None\n", "None\n"]


def test_requests_that_await_have_contexts_of_their_own(api: Arbiter) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda q: api.get(f"/g/await?q={q}").text, range(8))
        assert list(answers) == [f"{q} {q} {q}\n" for q in range(8)]


def test_functions_of_after_this_request_change_any_response(api: Arbiter) -> None:
    printed = api.get("/after?q=1")
    assert (printed.text, printed.headers["X-After"]) == ("printed\n", "1")
    assert printed.headers["Set-Cookie"].startswith("seen=1")
    assert printed.headers.get_all("Content-Type") == ["text/plain; charset=utf-8"]
    value = api.get("/after/value")
    assert (value.status, value.text) == (203, "x!")
    aborted = api.get("/after/abort")
    assert (aborted.status, aborted.headers["X-After"], aborted.json["extensions"]["code"]) == (404, "404", "not-found")
    streamed = api.get("/after/stream")
    assert (streamed.text, streamed.headers["X-After"]) == ("ab", "True")
    awaited = api.get("/after/stream/await?q=x")
    assert (awaited.text, awaited.headers["X-After"]) == ("x0 x1 x2 ", "x")
    emptied = api.get("/after/stream/empty")
    assert (emptied.status, emptied.body, api.get("/after/stream/closed").text) == (204, b"", "[True]\n")
    informed = api.get("/after/info")
    assert (informed.status, informed.headers["X-After"], informed.headers["X-Info"]) == (202, "202", "yes")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/after/raises", 500, "ZeroDivisionError: division by zero"),
        ("/after/nothing", 500, "TypeError: a function of after_this_request returned no response, but None"),
        ("/after/hangs", 504, "the cell ran longer than 0.3 s"),
    ],
)
def test_a_function_of_after_this_request_that_fails_is_an_error(
    api: Arbiter, path: str, status: int, message: str
) -> None:
    response = api.get(path)
    assert (response.status, response.json["message"]) == (status, message)


def test_a_thread_has_the_request_only_where_flask_gives_it_one(api: Arbiter) -> None:
    assert api.get("/thread?q=x").text == "['Working outside of request context.', 'x']\n"


def test_after_the_response_there_is_no_request_any_more(api: Arbiter) -> None:
    assert api.get("/later?q=x").text == "x\n"
    assert api.get("/later/result").text == "Working outside of request context: the request has been answered.\n"


def test_outside_of_a_request_flask_says_so_itself(worker: Worker) -> None:
    worker.execute(
        "import flask\n"
        "try: flask.request.args\n"
        "except RuntimeError as error: assert 'an active HTTP request' in str(error), error\n"
        "assert not flask.has_request_context() and not flask.has_app_context()"
    )


def test_a_tuple_with_a_response_is_read_as_flask_reads_it(api: Arbiter) -> None:
    created = api.get("/tuple/status")
    assert (created.status, created.text) == (201, "made")
    assert api.get("/tuple/headers").headers["X-A"] == "b"
    both = api.get("/tuple/both")
    assert (both.status, both.headers["X-A"]) == (418, "b")
    assert api.get("/tuple/plain").json == {"text/plain": "('made', 201)"}
    wrong = api.get("/tuple/wrong")
    assert (wrong.status, "valid response tuple" in wrong.json["message"]) == (500, True)


def test_a_session_needs_the_key_of_an_application(api: Arbiter) -> None:
    response = api.get("/session")
    assert response.status == 500
    assert "secret key" in response.json["message"]


def test_contexts_that_a_cell_pushes_itself_count_while_they_are_there(api: Arbiter) -> None:
    assert api.get("/own?q=outer").text == "pushed own\nouter\n"


OWN = r"""
import flask
app = flask.Flask('shop', root_path='.')
app.secret_key = 'of a test'
app.json.sort_keys = False
ended = []
app.teardown_request(lambda error: ended.append('request'))
app.teardown_appcontext(lambda error: ended.append('app'))
app.app_context().push()

# GET /jsonify
flask.jsonify(b=1, a=flask.current_app.name)

# GET /visits
flask.session['visits'] = flask.session.get('visits', 0) + 1
print(flask.session['visits'])

# GET /ended
print(ended)
ended.clear()

# GET /breaks
flask.request.args
1 / 0

# GET /cleanup/fails
flask.request.args
@app.teardown_request
def fail(error):
    print('cleans up')
    raise ValueError('not closed')
print('x')
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    seed, endpoints = notebook(OWN)
    with serving(tmp_path_factory.mktemp("own"), *endpoints, seed=seed) as arbiter:
        yield arbiter


def test_an_application_whose_context_the_notebook_pushed_is_the_application(own: Arbiter) -> None:
    assert own.get("/jsonify").text == '{"b":1,"a":"shop"}\n'


def test_a_session_goes_on_from_request_to_request(own: Arbiter) -> None:
    first = own.get("/visits")
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    assert (first.text, own.get("/visits", Cookie=cookie).text) == ("1\n", "2\n")


def test_what_the_application_has_for_the_end_of_a_request_is_called(own: Arbiter) -> None:
    own.get("/ended")
    own.get("/jsonify")
    assert own.get("/breaks").status == 500
    assert own.get("/ended").text == "['app', 'request', 'app']\n"


def test_what_fails_at_the_end_of_a_request_is_logged_under_it(own: Arbiter) -> None:
    assert own.get("/cleanup/fails", X_Request_Id="untidy").text == "x\n"
    log = own.workers[0].wait_for_log("[untidy] ValueError: not closed")
    assert "[untidy] cleans up" in log
