"""What a cell displays, where it gives no other response, and what the log says of the rest."""

import json
from collections.abc import Iterator

import pytest

from tests.support.arbiter import Arbiter, Worker, notebook, serving

PNG = b"\x89PNG\r\n\x1a\n"
NOTEBOOK = r"""
import asyncio, json, threading
from IPython.display import HTML, JSON, Image, SVG, Markdown, display, clear_output
PNG = b'\x89PNG\r\n\x1a\n'
class Figure: pass
get_ipython().display_formatter.formatters['image/png'].for_type(Figure, lambda figure: PNG)
class Table:
    def _repr_html_(self): return '<table>'
class Plain:
    def __repr__(self): return 'plain é'
class Shown:
    def _ipython_display_(self): display(HTML('<i>'))
class Broken:
    def _repr_html_(self): raise ValueError('no table')

# GET /dict
display({'a': [1, 'é']})

# GET /list
display([1, None])

# GET /number
display(2.5)

# GET /none
display(None)

# GET /tuple/keys
display({(1, 2): 3})

# GET /nan
display([float('nan')])

# GET /text
display('é')

# GET /figure
display(Figure())

# GET /image
display(Image(PNG, format='png'))

# GET /svg
display(SVG('<svg xmlns="http://www.w3.org/2000/svg"/>'))

# GET /table
display(Table());

# GET /json
display(JSON({'a': 1}))

# GET /plain
display(Plain())

# GET /raw
display({'text/html': '<b>', 'text/plain': 'b'}, raw=True)

# GET /shown
Shown()

# GET /await
await asyncio.sleep(0)
display({'a': 1})

# GET /status
display({'a': 1})

# ResponseInfo GET /status
print(json.dumps({'status': 201, 'headers': {'X-A': 'b'}}))

# GET /several
display(1, 2)
display({'last': 3})

# GET /printed
display({'a': 1})
print('printed')

# GET /value
display(1)
2

# GET /response
import flask
display(1)
flask.Response('x')

# GET /broken
display(Broken())

# GET /large
display('x' * 2_000_000)

# GET /nothing
display()

# GET /later
async def show():
    await asyncio.sleep(0)
    display(1)
task = asyncio.get_running_loop().create_task(show())
print('x')
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    seed, endpoints = notebook(NOTEBOOK)
    with serving(tmp_path_factory.mktemp("displays"), *endpoints, seed=seed, max_output_bytes=1_000_000) as arbiter:
        yield arbiter


@pytest.fixture
def worker(api: Arbiter) -> Worker:
    return api.workers[0]


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/dict", "application/json", json.dumps({"a": [1, "é"]}).encode()),
        ("/list", "application/json", b"[1, null]"),
        ("/number", "application/json", b"2.5"),
        ("/none", "application/json", b"null"),
        ("/tuple/keys", "text/plain; charset=utf-8", b"{(1, 2): 3}"),
        ("/nan", "text/plain; charset=utf-8", b"[nan]"),
        ("/text", "text/plain; charset=utf-8", "é".encode()),
        ("/figure", "image/png", PNG),
        ("/image", "image/png", PNG),
        ("/svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("/table", "text/html; charset=utf-8", b"<table>"),
        ("/json", "application/json", b'{"a": 1}'),
        ("/plain", "text/plain; charset=utf-8", "plain é".encode()),
        ("/raw", "text/html; charset=utf-8", b"<b>"),
        ("/shown", "text/html; charset=utf-8", b"<i>"),
        ("/await", "application/json", b'{"a": 1}'),
        ("/several", "application/json", b'{"last": 3}'),
        ("/nothing", "text/plain; charset=utf-8", b""),
    ],
)
def test_what_is_displayed_is_sent_in_its_richest_form(api: Arbiter, path: str, content_type: str, body: bytes) -> None:
    response = api.get(path)
    assert (response.status, response.body, response.headers["Content-Type"]) == (200, body, content_type)


def test_response_info_applies_to_what_is_displayed(api: Arbiter) -> None:
    response = api.get("/status")
    assert (response.status, response.json, response.headers["X-A"]) == (201, {"a": 1}, "b")
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        ("/several", '{"last": 3}', "2 displays are not sent"),
        ("/printed", "printed\n", "1 display is not sent"),
        ("/value", '{"text/plain": "2"}', "1 display is not sent"),
        ("/response", "x", "1 display is not sent"),
    ],
)
def test_the_log_says_what_is_displayed_and_not_sent(
    api: Arbiter, worker: Worker, path: str, body: str, line: str
) -> None:
    request_id = f"shows{path.replace('/', '-')}"
    assert api.get(path, X_Request_Id=request_id).text == body
    worker.wait_for_log(f"[{request_id}] {line}: a response is what the cell returns or prints, else its last display")


def test_a_display_after_the_response_is_in_the_log(api: Arbiter, worker: Worker) -> None:
    api.get("/later", X_Request_Id="too-late")
    worker.wait_for_log("[too-late] displayed after the response, and not sent")


def test_what_fails_to_be_displayed_fails_the_request(api: Arbiter) -> None:
    broken = api.get("/broken")
    assert (broken.status, broken.json["message"]) == (500, "ValueError: no table")
    large = api.get("/large")
    assert (large.status, large.json["extensions"]["code"]) == (500, "output-too-long")


def test_ordinary_cells_display_in_jupyter_as_ever(worker: Worker) -> None:
    shown = []
    worker.client.execute_interactive("display({'a': 1}); {'b': 2}", output_hook=shown.append, timeout=60)
    bundles = [message["content"]["data"] for message in shown if "data" in message["content"]]
    assert bundles == [{"text/plain": "{'a': 1}"}, {"text/plain": "{'b': 2}"}]
