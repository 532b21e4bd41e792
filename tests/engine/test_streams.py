"""Bodies that generators make, in a real kernel: what reaches the client, what runs beside them, how they end."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from control.traffic.batch_server import BatchServer
from tests.support.arbiter import Arbiter, Worker, eventually, notebook, serving
from tests.support.records import RecordLog

NOTEBOOK = r"""
import asyncio, contextvars, flask, json, os, time
events = []
here = contextvars.ContextVar('here', default='outside')
REQUEST = json.dumps({'body': 'from the notebook'})

# GET /ok
print('ok')

# GET /own
print(json.loads(REQUEST)['args']['n'][0])

# GET /events
print(json.dumps(events))
events.clear()

# GET /seeded
print(json.loads(globals()['REQUEST'])['path'])

# GET /raises
def pieces():
    raise ValueError('db down')
    yield 'x'
flask.Response(pieces())

# GET /aborts
def pieces():
    flask.abort(404, 'no such row')
    yield 'x'
flask.Response(pieces())

# GET /blank-then-raises
def pieces():
    yield ''
    raise ValueError('db down')
flask.Response(pieces())

# GET /aborts/with-response
def pieces():
    flask.abort(flask.Response((piece for piece in ['not ', 'here']), 404))
    yield 'x'
flask.Response(pieces())

# GET /slow-start within 0.3 s
def pieces():
    time.sleep(30)  # runs into its limit
    yield 'x'
flask.Response(pieces())

# GET /awaits/slow-start within 0.3 s
async def pieces():
    await asyncio.sleep(30)  # runs into its limit
    yield 'x'
flask.Response(pieces())

# GET /awaits/stubborn-start within 0.3 s
async def pieces():
    try:
        await asyncio.sleep(30)  # runs into its limit
    except asyncio.CancelledError:
        await asyncio.sleep(1)  # and on
    yield 'x'
flask.Response(pieces())

# GET /later
def pieces():
    yield 'first'
    flask.abort(404, 'no such row')
flask.Response(pieces())

# GET /retries
def pieces():
    raise ValueError('db down')
    yield 'x'
flask.Response(pieces())

# ResponseInfo GET /retries
runs = globals().get('runs', 0) + 1
error = json.loads(REQUEST_ERROR)
print(json.dumps({'status': 503, 'headers': {'Retry-After': runs, 'X-Error': error['message']}} if error else {}))

# GET /empty
flask.Response(piece for piece in [])

# GET /no-content
flask.Response(piece for piece in 'ab')

# ResponseInfo GET /no-content
{'status': 204}

# GET /async/:n
async def pieces(n):
    for number in range(n):
        yield f'{number}é,'
        await asyncio.sleep(0.01)  # lets others run
        yield b''
flask.Response(pieces(int(json.loads(REQUEST)['path']['n'])), mimetype='text/csv')

# GET /await/async/:n
async def pieces(n):
    for number in range(n):
        yield f'{number}é,'
await asyncio.sleep(0)
flask.Response(pieces(int(json.loads(REQUEST)['path']['n'])))

# GET /async/raises
async def pieces():
    await asyncio.sleep(0)
    raise ValueError('db down')
    yield 'x'
flask.Response(pieces())

# GET /async/aborts
async def pieces():
    flask.abort(404, 'no such row')
    yield 'x'
await asyncio.sleep(0)
flask.Response(pieces())

# GET /async/breaks
async def pieces():
    yield 'first'
    raise ValueError('in the middle')
flask.Response(pieces())

# GET /async/whose
async def pieces():
    for _ in range(10):
        yield json.loads(REQUEST)['args']['n'][0] + ','
        print('printed by', json.loads(REQUEST)['args']['n'][0])
        await asyncio.sleep(0.01)  # lets others run
flask.Response(pieces())

# GET /async/forever
async def pieces():
    try:
        yield 'first'
        await asyncio.sleep(60)  # its client leaves before
        yield 'second'
    finally:
        await asyncio.sleep(0)
        events.append('cleaned up')
response = flask.Response(pieces())
response.call_on_close(lambda: events.append('closed'))
response

# GET /async/limited within 0.3 s
async def pieces():
    try:
        yield 'first'
        await asyncio.sleep(60)  # runs into its limit
    finally:
        events.append('cleaned up')
flask.Response(pieces())

# GET /async/stubborn within 0.3 s
async def pieces():
    yield 'first'
    while True:
        try:
            await asyncio.sleep(0.5)  # ignores its limit
        except asyncio.CancelledError:
            pass
flask.Response(pieces())

# GET /async/spins within 0.3 s
async def pieces():
    yield 'first'
    while True: pass
flask.Response(pieces())

# GET /blocking
def pieces():
    for number in range(10):
        time.sleep(0.05)  # blocks the kernel
        yield f'{number},'
flask.Response(pieces())

# GET /await/blocking
await asyncio.sleep(0)
def pieces():
    for number in range(10):
        time.sleep(0.05)  # blocks the kernel
        yield f'{number},'
flask.Response(pieces())

# GET /cleans-up within 1 s
def pieces():
    try:
        while True: yield 'x' * 100_000
    finally:
        while not os.path.exists('seen'):
            time.sleep(0.01)  # until the scoreboard has been read
flask.Response(pieces())

# GET /unread within 0.5 s
def pieces():
    while True: yield 'x' * 100_000
flask.Response(pieces())

# GET /prints
def pieces():
    print('before')
    yield 'a'
    print('between')
    yield 'b'
    print('after')
flask.Response(pieces())

# GET /context
here.set('cell')
def pieces():
    yield here.get()
flask.Response(pieces())
"""


@pytest.fixture(scope="module")
def api_and_records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Arbiter, RecordLog]]:
    folder, record_log = tmp_path_factory.mktemp("streams"), RecordLog()
    with BatchServer(folder / "r.sock", record_log.batches.append) as reception:
        reception.start()
        seed, endpoints = notebook(NOTEBOOK)
        with serving(folder, *endpoints, seed=seed, records=str(folder / "r.sock"), inspect=True) as arbiter:
            yield arbiter, record_log
        reception.shutdown()


@pytest.fixture
def api(api_and_records: tuple[Arbiter, RecordLog]) -> Arbiter:
    return api_and_records[0]


@pytest.fixture
def record_log(api_and_records: tuple[Arbiter, RecordLog]) -> RecordLog:
    return api_and_records[1]


@pytest.fixture
def worker(api: Arbiter) -> Worker:
    return api.workers[0]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/raises", 500, "ValueError: db down"),
        ("/blank-then-raises", 500, "ValueError: db down"),
        ("/async/raises", 500, "ValueError: db down"),
        ("/aborts", 404, "no such row"),
        ("/async/aborts", 404, "no such row"),
        ("/slow-start", 504, "the cell ran longer than 0.3 s"),
        ("/awaits/slow-start", 504, "the cell ran longer than 0.3 s"),
        ("/awaits/stubborn-start", 504, "the cell ran longer than 0.3 s"),
    ],
)
def test_a_stream_that_fails_before_its_first_piece_is_an_error_response(
    api: Arbiter, record_log: RecordLog, path: str, status: int, message: str
) -> None:
    request_id = path.replace("/", "-")
    response = api.get(path, X_Request_Id=request_id)
    assert (response.status, response.json["message"]) == (status, message)
    assert response.json["extensions"]["request_id"] == request_id
    assert api.ask("HEAD", path).status == status
    record = record_log.of(request_id)
    assert (record["status"], record["is_broken_off"]) == (status, False)
    assert bool(record["traceback"]["text"]) == (status != 404)
    assert api.get("/ok").status == 200


def test_a_response_that_the_generator_aborts_with_is_sent(api: Arbiter) -> None:
    response = api.get("/aborts/with-response")
    assert (response.status, response.text) == (404, "not here")


def test_a_response_info_cell_runs_once_when_the_first_piece_is_there_or_has_failed(api: Arbiter) -> None:
    response = api.get("/retries")
    assert (response.status, response.headers["Retry-After"], response.headers["X-Error"]) == (503, "1", "db down")


def test_a_stream_without_pieces_is_an_empty_body(api: Arbiter) -> None:
    response = api.get("/empty")
    assert (response.status, response.body) == (200, b"")
    raw = api.raw(b"GET /invoke/no-content HTTP/1.1\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 204 ")
    assert b"Transfer-Encoding" not in raw
    assert raw.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/async", "/await/async"])
def test_an_async_generator_streams(api: Arbiter, path: str) -> None:
    response = api.get(f"{path}/3")
    assert (response.text, response.headers["Transfer-Encoding"]) == ("0é,1é,2é,", "chunked")
    assert api.get(f"{path}/0").body == b""


def test_an_async_generator_that_fails_later_breaks_off(api: Arbiter, record_log: RecordLog) -> None:
    raw = api.raw(b"GET /invoke/async/breaks HTTP/1.1\r\nX-Request-Id: async-breaks\r\n\r\n")
    assert raw.endswith(b"5\r\nfirst\r\n")
    record = record_log.of("async-breaks")
    assert (record["status"], record["is_broken_off"]) == (200, True)
    assert "in the middle" in record["traceback"]["text"]
    counts = [count for batch in record_log.batches for count in batch["broken_off"]]
    assert counts.count(["/async/breaks", "GET", 1]) == 1


def test_an_abort_after_the_first_piece_breaks_off_and_is_logged(
    api: Arbiter, worker: Worker, record_log: RecordLog
) -> None:
    raw = api.raw(b"GET /invoke/later HTTP/1.1\r\nX-Request-Id: later\r\n\r\n")
    assert raw.endswith(b"5\r\nfirst\r\n")
    worker.wait_for_log("[later] NotFound: 404 Not Found: no such row")
    assert record_log.of("later")["is_broken_off"]


def test_others_run_between_the_pieces_of_an_async_generator_and_see_nothing_of_it(
    api: Arbiter, worker: Worker
) -> None:
    with ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(api.get, f"/async/whose?n={n}", X_Request_Id=f"whose-{n}") for n in range(4)]
        for n in range(100, 140):
            assert api.get(f"/own?n={n}").text == f"{n}\n"
    assert [stream.result().text for stream in streams] == [f"{n}," * 10 for n in range(4)]
    log = worker.wait_for_log("[whose-3] printed by 3")
    assert not [line for line in log.splitlines() if "] printed by" in line and line[7] != line[-1]]
    worker.execute("assert json.loads(REQUEST) == {'body': 'from the notebook'}")


def test_an_async_generator_runs_beside_other_requests_and_a_plain_one_before_them(api: Arbiter) -> None:
    """A cell's plain generator shares names with all other cells, so that none may run until it has ended."""
    for path, runs_beside in (("/async/60", True), ("/await/blocking", True), ("/blocking", False)):
        with ThreadPoolExecutor(1) as pool, api.connect() as sock:
            sock.sendall(f"GET /invoke{path} HTTP/1.1\r\n\r\n".encode())
            eventually(lambda: b"0" in sock.recv(65536), "the first piece")
            pool.submit(api.get, "/ok").result()
            rest = b""
            sock.setblocking(False)
            try:
                while data := sock.recv(65536):
                    rest += data
            except BlockingIOError:
                pass
            assert rest.endswith(b"0\r\n\r\n") == (not runs_beside)


def test_a_client_that_leaves_ends_an_async_generator(api: Arbiter, record_log: RecordLog) -> None:
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/async/forever HTTP/1.1\r\nX-Request-Id: left\r\n\r\n")
        eventually(lambda: b"first" in sock.recv(65536), "the first piece")
    events = eventually(lambda: api.get("/events").json, "its end")
    assert events == ["cleaned up", "closed"]
    record = record_log.of("left")
    assert (record["status"], record["is_broken_off"], record["response"]["body"]["size"]) == (200, False, 5)


@pytest.mark.parametrize("path", ["/async/limited", "/async/stubborn", "/async/spins"])
def test_an_async_generator_is_cut_off_at_the_limit(api: Arbiter, record_log: RecordLog, path: str) -> None:
    before = time.monotonic()
    raw = api.raw(b"GET /invoke%b HTTP/1.1\r\nX-Request-Id: %b\r\n\r\n" % (path.encode(), path[7:].encode()))
    assert raw.endswith(b"5\r\nfirst\r\n")
    assert time.monotonic() - before < 5
    record = record_log.of(path[7:])
    assert (record["status"], record["is_broken_off"]) == (200, True)
    assert api.get("/ok").status == 200
    api.get("/events")


def test_a_client_that_does_not_read_holds_the_kernel_until_the_limit_only(api: Arbiter, record_log: RecordLog) -> None:
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/unread HTTP/1.1\r\nX-Request-Id: unread\r\n\r\n")
        assert sock.recv(1)
        assert api.get("/ok").status == 200
        assert record_log.of("unread")["is_broken_off"]


def test_the_arbiter_sees_a_generator_that_cleans_up_after_its_limit(
    api: Arbiter, worker: Worker, record_log: RecordLog
) -> None:
    """Else a kernel that is stuck there would never be replaced."""
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/cleans-up HTTP/1.1\r\nX-Request-Id: cleans-up\r\n\r\n")
        assert record_log.of("cleans-up")["is_broken_off"]
        (running,) = eventually(lambda: worker.state().running, "its cleanup on the scoreboard")
        assert running.request_id == "cleans-up"
        (api.directory / "seen").touch()
        eventually(lambda: not worker.state().running, "its end")


def test_what_a_generator_prints_goes_to_the_log(api: Arbiter, worker: Worker, record_log: RecordLog) -> None:
    assert api.get("/prints", X_Request_Id="prints").text == "ab"
    worker.wait_for_log("[prints] after")
    assert record_log.of("prints")["stderr"]["text"] == "before\nbetween\nafter\n"


def test_a_generator_has_the_context_of_its_cell(api: Arbiter) -> None:
    assert api.get("/context").text == "cell"
