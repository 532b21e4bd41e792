"""What a worker does when cells, callers or the arbiter misbehave: it answers, and goes on."""

import collections
import http.client
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.arbiter import Arbiter, Worker, endpoint, eventually, notebook, serving

NOTEBOOK = r"""
import asyncio, json, os, signal, subprocess, sys, threading, time, flask
events = []
home = os.getcwd()

# GET /ok
print('ok')

# GET /pid
time.sleep(0.2)
print(os.getpid())

# GET /spins within 0.3 s
while True: pass

# GET /sleeps within 0.3 s
time.sleep(60)

# GET /shells within 0.3 s
!sleep 60

# GET /info/spins within 0.3 s
print(1)

# ResponseInfo GET /info/spins
while True: pass

# GET /shows within 0.3 s
class Slow:
    def __repr__(self): time.sleep(60)
Slow()

# GET /awaits within 0.3 s
await asyncio.sleep(60)

# GET /awaits/long
await asyncio.sleep(1)
print('rested')

# GET /awaits/stubborn within 0.3 s
while True:
    try: await asyncio.sleep(0.01)
    except asyncio.CancelledError: pass
    if events: break

# GET /awaits/spins within 0.3 s
await asyncio.sleep(0)
while True: pass

# GET /awaits/forever
try:
    await asyncio.sleep(60)
finally:
    events.append('cleaned up')

# GET /streams/forever within 0.3 s
def rows():
    while True: yield 'x' * 1000
flask.Response(rows())

# GET /barely within 0.03 s
time.sleep(0.03)
print('done')

# GET /own/handler
signal.signal(signal.SIGINT, lambda *_: None)
print('set')

# GET /prints/forever
while True: print('x' * 1000)

# GET /prints/stubborn
for _ in range(10000):
    try: print('x' * 1000)
    except Exception: pass

# GET /value/large
'x' * 3_000_000

# GET /large
print('x' * 900_000)

# GET /moves
os.chdir('/')

# GET /where
print(os.getcwd() == '/')
os.chdir(home)

# GET /threads
thread = threading.Thread(target=print, args=('from a thread',))
thread.start()
thread.join()
print('main')

# GET /programs
print('before')
status = os.system('echo from system; echo from its stderr 1>&2; exit 3')
subprocess.run(['echo', 'from a program'])
print(os.waitstatus_to_exitcode(status), subprocess.check_output(['echo', 'read by the cell']))

# GET /programs/await/:name
name = json.loads(REQUEST)['path']['name']
process = await asyncio.create_subprocess_exec('sh', '-c', f'sleep 0.1; echo {name}')
await process.wait()

# GET /programs/late
subprocess.Popen('sleep 0.2; echo too late', shell=True) and None
print('at once')

# ResponseInfo GET /programs/late
{'status': 202}

# GET /programs/endless
subprocess.run(['yes'])

# GET /programs/none
subprocess.run(['/no/such/program'])

# GET /descriptors
print(len(os.listdir('/proc/self/fd')))

# GET /task
async def later():
    await asyncio.sleep(0.05)
    print('from a task')
task = asyncio.create_task(later())
print('at once')

# GET /forks
child = os.fork()
if child: os.waitpid(child, 0)
print('parent' if child else 'child')

# GET /forks/prints
child = os.fork()
if not child: print('from the copy')
else: os.waitpid(child, 0) and None

# GET /forks/raises
child = os.fork()
if not child: raise ValueError
print(os.waitpid(child, 0)[1])

# GET /events
print(json.dumps(events))
events.clear()

# POST /decodes
print('decoded')

# POST /decodes/late within 0.1 s
print('decoded')

# POST /decodes/late/awaits within 0.1 s
await asyncio.sleep(0)
print('decoded')

# POST /size
print(len(json.loads(REQUEST)['body']['text']))
"""
SEED, ENDPOINTS = notebook(NOTEBOOK)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    directory = tmp_path_factory.mktemp("faults")
    with serving(directory, *ENDPOINTS, seed=SEED, max_output_bytes=1_000_000) as arbiter:
        yield arbiter


@pytest.fixture
def worker(api: Arbiter) -> Worker:
    return api.workers[0]


@pytest.mark.parametrize(
    "path",
    ["/spins", "/sleeps", "/shells", "/info/spins", "/shows", "/awaits", "/awaits/spins", "/awaits/stubborn"],
)
def test_a_cell_over_its_limit_is_504_and_the_kernel_stays_sound(api: Arbiter, path: str) -> None:
    response = api.get(path)
    assert (response.status, response.json["extensions"]["code"]) == (504, "timeout")
    assert response.json["message"] == "the cell ran longer than 0.3 s"
    assert api.get("/ok").text == "ok\n"
    api.workers[0].execute("events.append('let the stubborn one end'); await asyncio.sleep(0.05); events.clear()")


SLOW_FORM = b"a=" + b"%41" * 8_000_000
SLOW_JSON = b"[" + b"{}," * 8_000_000 + b"0]"


@pytest.mark.parametrize("path", ["/decodes/late", "/decodes/late/awaits"])
@pytest.mark.parametrize(
    ("body", "kind"), [(SLOW_FORM, "application/x-www-form-urlencoded"), (SLOW_JSON, "application/json")]
)
def test_a_body_that_takes_too_long_to_decode_is_504(api: Arbiter, path: str, body: bytes, kind: str) -> None:
    response = api.post(path, body, kind)
    assert (response.status, response.json["extensions"]["code"]) == (504, "timeout")
    assert "could not be decoded within 0.1 s" in response.json["message"]
    assert api.get("/ok").text == "ok\n"


def test_a_request_is_on_the_scoreboard_while_it_is_decoded(api: Arbiter, worker: Worker) -> None:
    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(api.post, "/decodes", SLOW_FORM, "application/x-www-form-urlencoded")
        eventually(lambda: worker.state().running, "the request is seen")
        assert decoding.result().text == "decoded\n"


def test_a_form_with_too_many_fields_is_413(api: Arbiter) -> None:
    response = api.post("/decodes", b"a&" * 10_000 + b"a", "application/x-www-form-urlencoded")
    assert (response.status, response.json["extensions"]["code"]) == (413, "too-many-fields")
    assert "10,000 fields" in response.json["message"]


def test_json_that_is_nested_too_deep_is_400(api: Arbiter) -> None:
    response = api.post("/decodes", b"[" * 50_000 + b"]" * 50_000)
    assert (response.status, response.json["extensions"]["code"]) == (400, "bad-request")
    assert "nested too deep" in response.json["message"]
    assert api.get("/ok").text == "ok\n"


def test_the_log_tells_where_the_cell_was_when_its_time_was_up(api: Arbiter, worker: Worker) -> None:
    api.get("/spins", X_Request_Id="too-long")
    number = next(each.cells[0].number for each in ENDPOINTS if each.path == "/spins")
    assert f"[too-long] Cell In[{number}], line 2" in worker.wait_for_log("[too-long] TimeLimit")


def test_an_awaiting_neighbour_survives_a_cell_that_spins(api: Arbiter) -> None:
    with ThreadPoolExecutor(1) as pool:
        neighbour = pool.submit(api.get, "/awaits/long")
        eventually(lambda: len(api.workers[0].state().running) == 1, "the neighbour waits")
        assert api.get("/awaits/spins").status == 504
        assert neighbour.result().text == "rested\n"


def test_a_limit_that_passes_as_the_cell_ends_strikes_nobody_else(api: Arbiter) -> None:
    statuses = collections.Counter(api.get("/barely").status for _ in range(100))
    assert set(statuses) <= {200, 504}
    assert all(api.get("/ok").status == 200 for _ in range(100))
    assert api.workers[0].is_alive()


def test_a_stubborn_cell_that_is_over_its_limit_harms_nobody(api: Arbiter, worker: Worker) -> None:
    for _ in range(3):
        assert api.get("/awaits/stubborn").status == 504
    for _ in range(50):
        assert api.get("/barely").status in (200, 504)
    worker.execute("events.append('end'); await asyncio.sleep(0.05); events.clear()")
    assert api.get("/ok").status == 200


def test_a_cell_that_sets_a_handler_for_sigint_does_not_disarm_the_limit(api: Arbiter) -> None:
    assert api.get("/own/handler").text == "set\n"
    assert api.get("/spins").status == 504


def test_an_interrupt_between_requests_harms_nobody(api: Arbiter, worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGINT)
    assert api.get("/ok").status == 200


def test_a_stream_is_cut_off_at_the_limit(api: Arbiter) -> None:
    with pytest.raises(http.client.IncompleteRead):
        api.get("/streams/forever")
    assert api.get("/ok").status == 200


@pytest.mark.parametrize("path", ["/prints/forever", "/prints/stubborn", "/value/large"])
def test_output_without_end_is_500_and_takes_no_memory(api: Arbiter, worker: Worker, path: str) -> None:
    api.get("/large")
    before = worker.rss_kb()
    response = api.get(path)
    assert (response.status, response.json["extensions"]["code"]) == (500, "output-too-long")
    assert response.json["message"] == "the cell printed more than 1000000 bytes"
    assert worker.rss_kb() < before + 10_000


def test_a_changed_directory_stays_changed_as_in_a_notebook(api: Arbiter) -> None:
    api.get("/moves")
    assert api.get("/where").text == "True\n"


def test_what_threads_print_goes_to_the_log(api: Arbiter, worker: Worker) -> None:
    assert api.get("/threads").text == "main\n"
    worker.wait_for_log("[-] from a thread\n")


def test_what_programs_print_is_part_of_the_body_in_its_place_as_with_stock(api: Arbiter, worker: Worker) -> None:
    lines = ["before", "from system", "from a program", "3 b'read by the cell\\n'"]
    assert api.get("/programs", X_Request_Id="programs").text.splitlines() == lines
    worker.wait_for_log("[programs] from its stderr\n")


def test_what_programs_of_several_requests_print_is_not_mixed(api: Arbiter) -> None:
    names = [f"name-{number}" for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda name: api.get(f"/programs/await/{name}").text, names))
    assert answers == [f"{name}\n" for name in names]


def test_what_a_program_prints_after_the_body_goes_to_the_log(api: Arbiter, worker: Worker) -> None:
    answer = api.get("/programs/late", X_Request_Id="late")
    assert (answer.status, answer.text) == (202, "at once\n")
    worker.wait_for_log("[late] too late\n")


def test_a_program_that_prints_without_end_fails_its_request_only(api: Arbiter) -> None:
    answer = api.get("/programs/endless")
    assert (answer.status, answer.json["extensions"]["code"]) == (500, "output-too-long")
    assert api.get("/ok").text == "ok\n"


def test_programs_leave_no_open_pipes(api: Arbiter) -> None:
    before = api.get("/descriptors").text
    assert api.get("/programs/none").json["message"].startswith("FileNotFoundError")
    api.get("/programs")
    eventually(lambda: api.get("/descriptors").text == before, "the pipes are closed")


def test_what_a_task_prints_after_the_answer_goes_to_the_log(api: Arbiter, worker: Worker) -> None:
    assert api.get("/task").text == "at once\n"
    worker.wait_for_log("from a task\n")


def test_a_forked_copy_does_not_answer_and_what_it_prints_is_logged(api: Arbiter, worker: Worker) -> None:
    assert api.get("/forks").text == "parent\n"
    assert api.get("/forks/raises").text == "0\n"
    assert api.get("/forks/prints", X_Request_Id="forks").text == ""
    worker.wait_for_log("[forks] from the copy\n")
    assert all(api.get("/ok").status == 200 for _ in range(20))


def test_a_caller_who_leaves_ends_a_cell_that_awaits(api: Arbiter, worker: Worker) -> None:
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/awaits/forever HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: len(worker.state().running) == 1, "the cell awaits")
    eventually(lambda: len(worker.state().running) == 0, "the call has ended")
    assert api.get("/events").text == '["cleaned up"]\n'


def test_a_caller_who_leaves_a_cell_that_does_not_await_is_forgotten(api: Arbiter, worker: Worker) -> None:
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/pid HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: len(worker.state().running) == 1, "the cell runs")
    assert api.get("/ok").status == 200


def test_a_caller_who_leaves_in_the_middle_of_a_request_blocks_nobody(api: Arbiter) -> None:
    with api.connect() as sock:
        sock.sendall(b"POST /invoke/size HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert api.get("/ok").status == 200


def test_a_caller_who_reads_slowly_blocks_nobody(api: Arbiter) -> None:
    with api.connect() as sock:
        sock.sendall(b"GET /invoke/large HTTP/1.1\r\nHost: h\r\n\r\n")
        assert api.get("/ok").status == 200
        data = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    assert data.endswith(b"\r\n\r\n" + b"x" * 900_000 + b"\n")


def test_nothing_of_a_request_is_kept(api: Arbiter, worker: Worker) -> None:
    def post() -> None:
        assert api.post("/size", {"text": "x" * 1_000_000}).text == "1000000\n"

    for _ in range(3):
        post()
    before = worker.rss_kb()
    for _ in range(100):
        post()
    assert worker.rss_kb() < before + 5_000
    worker.execute("assert len(Out) == 0 and len(str(In)) < 10_000")


def test_a_body_beyond_the_limit_is_413(tmp_path: Path) -> None:
    with serving(tmp_path, endpoint("POST /x", "print(1)"), max_body_bytes=1000) as arbiter:
        assert arbiter.post("/x", b"x" * 1000).status == 200
        refusal = arbiter.post("/x", b"x" * 300_000)
        assert (refusal.status, refusal.json["extensions"]["code"]) == (413, "body-too-large")


def test_a_kernel_that_dies_fails_its_request_only_and_the_page_tells_which(tmp_path: Path) -> None:
    seed = ["import os, time"]
    endpoints = (endpoint("GET /dies", "time.sleep(0.2)\nos._exit(3)"), endpoint("GET /ok", "print('ok')"))
    with serving(tmp_path, *endpoints, seed=seed) as arbiter, ThreadPoolExecutor(8) as pool:
        worker = arbiter.workers[0]
        dies = pool.submit(arbiter.get, "/dies", X_Request_Id="the-culprit")
        eventually(lambda: len(worker.state().running) == 1, "the cell runs")
        waiting = [pool.submit(arbiter.get, "/ok") for _ in range(5)]
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            dies.result()
        eventually(lambda: not worker.is_alive(), "the kernel is dead")
        (running,) = worker.state().running
        assert running.request_id == "the-culprit"
        assert not any(each.done() for each in waiting)
        arbiter.start(*endpoints, seed=seed)
        assert [each.result().text for each in waiting] == ["ok\n"] * 5


def test_exit_ends_the_kernel_as_in_jupyter(tmp_path: Path) -> None:
    with serving(tmp_path, endpoint("GET /exit", "exit()")) as arbiter:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            arbiter.get("/exit")
        eventually(lambda: not arbiter.workers[0].is_alive(), "the kernel is dead")
        arbiter.workers[0].wait_for_log("a cell called exit(): this kernel ends")


def test_a_cell_that_does_not_yield_can_be_seen_from_outside(tmp_path: Path) -> None:
    spins = "while True:\n    try:\n        for _ in iter(int, 1): pass\n    except KeyboardInterrupt: pass"
    with serving(tmp_path, endpoint("GET /spins", spins, limit_s=0.1)) as arbiter, arbiter.connect() as sock:
        sock.sendall(b"GET /invoke/spins HTTP/1.1\r\nX-Request-Id: stuck\r\n\r\n")
        state = arbiter.workers[0].state
        eventually(lambda: [r for r in state().running if r.overdue_s() > 0.5], "it is overdue")
        assert [running.request_id for running in state().running] == ["stuck"]


def test_a_drained_worker_answers_what_has_come_and_takes_no_more(tmp_path: Path) -> None:
    awaits = "import asyncio\nawait asyncio.sleep(0.5)\nprint('awaited')"
    endpoints = (endpoint("GET /awaits", awaits), endpoint("GET /ok", "print('ok')"))
    with serving(tmp_path, *endpoints) as arbiter, ThreadPoolExecutor(8) as pool:
        worker = arbiter.workers[0]
        awaiting = pool.submit(arbiter.get, "/awaits")
        eventually(lambda: len(worker.state().running) == 1, "the cell awaits")
        os.kill(worker.pid, signal.SIGSTOP)
        waiting = [arbiter.connect() for _ in range(5)]
        for sock in waiting:
            sock.sendall(b"GET /invoke/ok HTTP/1.0\r\n\r\n")
        worker.send({"do": "drain"})
        os.kill(worker.pid, signal.SIGCONT)
        assert worker.receive() == {"did": "drained"}
        assert awaiting.result().text == "awaited\n"
        assert all(_read(sock).endswith(b"\r\n\r\nok\n") for sock in waiting)
        with arbiter.connect() as late:
            late.sendall(b"GET /invoke/ok HTTP/1.0\r\n\r\n")
            worker.execute("1")
            late.settimeout(0.1)
            with pytest.raises(TimeoutError):
                late.recv(1)


def _read(sock: socket.socket) -> bytes:
    with sock:
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_worker_ends_with_its_arbiter(tmp_path: Path) -> None:
    with serving(tmp_path, endpoint("GET /ok", "print('ok')")) as arbiter:
        worker = arbiter.workers[0]
        worker.channel.shutdown(socket.SHUT_RDWR)
        eventually(lambda: not worker.is_alive(), "the kernel is dead")


def test_a_cell_that_runs_the_loop_inside_itself_is_still_alone(tmp_path: Path) -> None:
    nests = (
        "import asyncio, nest_asyncio2\nnest_asyncio2.apply()\nseen = 'before'\n"
        "asyncio.get_event_loop().run_until_complete(asyncio.sleep(0.3))\nprint(seen)"
    )
    endpoints = (endpoint("GET /nests", nests), endpoint("GET /other", "seen = 'by the other'"))
    with serving(tmp_path, *endpoints) as arbiter, ThreadPoolExecutor(1) as pool:
        pytest.importorskip("nest_asyncio2")
        nesting = pool.submit(arbiter.get, "/nests")
        eventually(lambda: len(arbiter.workers[0].state().running) == 1, "the cell runs")
        assert arbiter.get("/other").status == 200
        assert nesting.result().text == "before\n"


def test_a_worker_says_who_it_is_and_that_it_is_ready(tmp_path: Path) -> None:
    with Arbiter(tmp_path) as arbiter:
        worker = arbiter.start(endpoint("GET /hello", "print('hello')"))
        assert worker.hello == {
            "did": "hello",
            "kernel": worker.log.stem,
            "pid": worker.manager.provisioner.pid,
        }
        assert worker.verdict == {"did": "ready"}
        assert arbiter.get("/hello").text == "hello\n"
