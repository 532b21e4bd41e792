"""Cells that do what cells should not, in a slot with its gateway: what each gets, and that the next is answered."""

import contextlib
import http.client
import itertools
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from control.traffic.batch_server import BatchServer
from tests.support.processes import Process, has_ended, running
from tests.support.records import RecordLog
from tests.support.slot import Slot, http_over_unix
from tests.support.waiting import eventually

SMALL = 64 * 1024 * 1024  # bytes
TOGETHER = re.compile(r"^\[-\] writer (\d) says (\d+)$", re.MULTILINE)
SLOW_JSON = b"[" + b"{}," * 8_000_000 + b"0]"
PID = "# GET /pid\nprint(os.getpid())"

CELLS = [
    "import asyncio, contextlib, io, json, logging, multiprocessing, os, resource, signal, sys, threading, time",
    "bell = asyncio.Event()\nasync def wait():\n    await bell.wait()\n    print('printed', 'by a task')\n"
    "    logging.getLogger('task').warning('logged by a task')\n    raise LookupError('raised by a task')\n"
    "task = asyncio.create_task(wait())",
    # Before the worker serves, and after the cell's reply.
    "async def say(): print('said', 'at once')\nsaying = asyncio.create_task(say())",
    "# GET /bell\nbell.set()",
    "# GET /thread\nthreading.Thread(target=lambda: {}['raised by a thread']).start()",
    "# GET /task\nasync def fail(): raise LookupError('raised by a task of a request')\n"
    "asyncio.create_task(fail()) and None",
    "# GET /callback\nasyncio.get_running_loop().call_soon(lambda: {}['raised by a callback'])\nNone",
    "# GET /ok\nprint('ok')",
    PID,
    "# GET /deletes\ndel sys.stdout, sys.stderr",
    "# GET /nothing\nsys.stdout = sys.stderr = None",
    "# GET /replaces\nsys.stdout = sys.stderr = io.StringIO()\nprint('into the void')",
    "# GET /closes\nsys.stdout.close()",
    "# GET /redirects\nwith contextlib.redirect_stdout(io.StringIO()) as kept: print('kept')\nprint(kept.getvalue())",
    "# GET /alarm\ndef ring(*_): raise TimeoutError('rang')\nsignal.signal(signal.SIGALRM, ring)\n"
    "signal.setitimer(signal.ITIMER_REAL, 0.05)\nwhile True: pass",
    "# GET /main\nprint(threading.current_thread() is threading.main_thread())",
    f"# GET /greedy\nold = resource.getrlimit(resource.RLIMIT_AS)\n"
    f"now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
    f"resource.setrlimit(resource.RLIMIT_AS, (now + {SMALL}, old[1]))\n"
    f"try: hoard = bytearray({16 * SMALL})\nfinally: resource.setrlimit(resource.RLIMIT_AS, old)",
    "# GET /pool\nwith multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(abs, [-1, -2]))",
    # Sleeps for as long as it is let live: only its kernel's end may end it.
    "# GET /lasting-child\nchild = os.fork()\nif not child:\n    while True: time.sleep(1)\nprint(child)",
    "# GET /breakpoint\nbreakpoint()\nprint('on')",
    "# GET /stdin\nprint(repr(sys.stdin.read()))",
    "# GET /raises-exit\nclass Bye(SystemExit): pass\nraise Bye(3)",
    "# GET /generator-exit\nraise GeneratorExit",
    "# GET /await/generator-exit\nawait asyncio.sleep(0)\nraise GeneratorExit",
    "# GET /cancels-itself\nasyncio.current_task().cancel()\nawait asyncio.sleep(0)",
    "# GET /recursion\ndef down(): return down()\ndown()",
    "# GET /stderr\n# timeout: 0.5\nwhile True: print('x' * 10_000, end='', file=sys.stderr)",
    "# GET /displays\n# timeout: 0.5\nwhile True: display('x' * 1_000_000)",
    "# GET /ignores\n# timeout: 0.3\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "# GET /stops-itself\n# timeout: 0.3\nos.kill(os.getpid(), signal.SIGSTOP)",
    "# GET /stops-the-loop\nasyncio.get_running_loop().stop()\nprint('stopped')",
    "# GET /closes-all\nos.closerange(3, 1000)",
    "# GET /aborts\nos.abort()",
    "def limit_descriptors(): resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit("
    "resource.RLIMIT_NOFILE)[1]))",
    # Takes each descriptor that becomes free, for ever; not while the gateway still closes its connections, as
    # libzmq then aborts.
    "# GET /leaks\ndef take():\n    time.sleep(1)\n    while True:\n        try: hoard.append(os.dup(1))\n"
    "        except OSError: time.sleep(0.001)\n"
    "hoard = []\nlimit_descriptors()\nthreading.Thread(target=take, daemon=True).start()\nprint('leaks')",
    # Sleeps for the same reason.
    "# GET /hoards\ntime.sleep(1)\nhoard = []\nlimit_descriptors()\nwhile True: hoard.append(os.dup(1))",
    "# GET /opens\nwith open('/dev/null'): print(os.getpid())",
    "# GET /waits\n# timeout: 60\nopen('begun', 'w').close()\n"
    "while not os.path.exists('go'): await asyncio.sleep(0.02)\nprint(os.getpid())",
    # Sleeps longer than any test: the signal has to end it.
    "# GET /terminates\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)",
    "# GET /logs\nlogging.getLogger('late').warning('logged by the cell')\nprint('ok')",
    "async def count_in_task(writer):\n"
    "    while not running.wait(0): await asyncio.sleep(0)\n"
    "    for n in range(1000):\n        print('writer', writer, 'says', n)\n        await asyncio.sleep(0)\n"
    "def count(writer):\n    running.wait()\n    for n in range(1000): print('writer', writer, 'says', n)\n"
    "def begin_line(): print('an unfinished line', 'that was flushed', end='', flush=True)\n"
    "def end_in_line(): print('the last words', 'of a thread', end='')\n"
    "def say_more(): print('of another')\n"
    "running = threading.Event()",
    "# GET /together\nfrom contextvars import Context\n"
    "counting = [Context().run(asyncio.create_task, count_in_task(0))]\n"
    "counting += [asyncio.to_thread(Context().run, count, writer) for writer in (1, 2, 3)]\n"
    "asyncio.get_running_loop().call_later(0.1, running.set)\nawait asyncio.gather(*counting)\n"
    "for target in (begin_line, end_in_line, say_more):\n"
    "    thread = threading.Thread(target=target)\n    thread.start()\n    thread.join()\n"
    "print(4 * 1000)",
    "# POST /decodes\n# timeout: 0.3\nprint('decoded')",
    # A function's validator, which runs before it.
    "def stop(value: int) -> int:\n    os.kill(os.getpid(), signal.SIGSTOP)\n    return value\n"
    "from typing import Annotated\nfrom pydantic import AfterValidator",
    "# GET /validates\n# timeout: 0.3\ndef validates(n: Annotated[int, AfterValidator(stop)]): return n",
    "#get /lower case is a remark",
    "\n\n# Get /lower\nprint('lower')",
]


@pytest.fixture(scope="module")
def shared_slot() -> Iterator[Slot]:
    with Slot(CELLS, REQUEST_TIMEOUT="5", MAX_OUTPUT_MB="1") as slot:
        yield slot


@pytest.fixture
def slot(shared_slot: Slot) -> Slot:
    """One slot for all tests, with a kernel again after a test that has ended it."""

    def has_kernel() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return shared_slot.get("/ok").status == 200
        return False

    eventually(has_kernel, 15, "a kernel")
    return shared_slot


def memory(slot: Slot) -> int:
    """Bytes that the only kernel holds."""
    return memory_of(int(slot.get("/pid").text))


def memory_of(process: int) -> int:
    """Bytes that it holds."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def children(slot: Slot) -> list[Process]:
    return [process for process in running() if process.parent == slot.popen.pid]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/deletes", 200, ""),
        ("/nothing", 200, ""),
        ("/replaces", 200, ""),
        ("/redirects", 200, "kept\n\n"),
        ("/alarm", 500, "TimeoutError: rang"),
        ("/main", 200, "True\n"),
        ("/greedy", 500, "MemoryError: "),
        ("/pool", 200, "[1, 2]\n"),
        ("/breakpoint", 500, "StdinNotImplementedError: a cell that handles requests cannot ask for input"),
        ("/stdin", 200, "''\n"),
        ("/raises-exit", 500, "Bye: 3"),
        ("/generator-exit", 500, "GeneratorExit: "),
        ("/await/generator-exit", 500, "GeneratorExit: "),
        ("/cancels-itself", 500, "CancelledError: "),
        ("/recursion", 500, "RecursionError: maximum recursion depth exceeded"),
        ("/stderr", 504, "the cell ran longer than 0.5 s"),
        ("/displays", 504, "the cell ran longer than 0.5 s"),
        ("/logs", 200, "ok\n"),
        ("/lower", 200, "lower\n"),
        ("/closes", 200, ""),
    ],
)
def test_a_cell_gets_its_answer_and_its_kernel_stays(slot: Slot, path: str, status: int, text: str) -> None:
    before, memory_before = slot.get("/pid").text, memory(slot)
    answer = slot.get(path)
    assert (answer.status, answer.json()["message"] if status >= 500 else answer.text) == (status, text)
    assert slot.get("/ok").text == "ok\n"
    assert slot.get("/pid").text == before
    # What a cell has displayed is dropped by a thread of ipykernel's, which may be late on a busy machine.
    eventually(lambda: memory(slot) < memory_before + 30_000_000, 10, "its memory given back")


@pytest.mark.parametrize(
    "path", ["/ignores", "/stops-itself", "/stops-the-loop", "/closes-all", "/aborts", "/terminates"]
)
def test_a_cell_that_ruins_its_kernel_is_followed_by_a_new_one(slot: Slot, path: str) -> None:
    before, deaths = slot.get("/pid").text, slot.status()["kernel_deaths"]
    # Its connection ends with the kernel; nginx then asks what became of the request.
    with contextlib.suppress(OSError):
        slot.get(path)
    assert slot.get("/ok").text == "ok\n"
    eventually(lambda: slot.get("/pid").text != before, 10, "another kernel")
    eventually(lambda: slot.status()["kernel_deaths"] == deaths + 1, 10, "its death in the status")


def test_a_kernel_that_cannot_accept_is_replaced_while_it_finishes_its_requests(slot: Slot) -> None:
    before, deaths = slot.get("/pid").text, slot.status()["kernel_deaths"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slot.get, "/waits")
        eventually((slot.home / "begun").exists, 10, "the request in its cell")
        assert slot.get("/leaks").text == "leaks\n"
        eventually(lambda: slot.get("/pid").text != before, 20, "another kernel")
        eventually(lambda: slot.status()["kernels"] == 1, 10, "it in the status")
        assert slot.status()["kernel_deaths"] == deaths + 1
        (slot.home / "go").touch()
        assert waiting.result().text == before
    eventually(lambda: has_ended(int(before)), 10, "its end")


def test_a_kernel_whose_cells_can_open_no_files_is_replaced(slot: Slot) -> None:
    assert slot.get("/hoards").json()["message"] == "OSError: [Errno 24] Too many open files"
    eventually(lambda: slot.get("/opens").status == 200, 15, "another kernel")


def test_kernels_that_requests_end_one_after_the_other_are_replaced_at_once(slot: Slot) -> None:
    def abort() -> None:
        with contextlib.suppress(OSError):  # its connection ends with the kernel
            slot.get("/aborts")

    with ThreadPoolExecutor(12) as pool:
        for _ in range(8):
            pool.submit(abort)
        others = [pool.submit(slot.get, "/ok") for _ in range(4)]
        assert [answer.result().status for answer in others] == [200] * 4
    assert "Trying again" not in slot.log()
    eventually(lambda: len(children(slot)) == 2, 10, "a spare process for the next kernel")
    eventually(lambda: len(children(slot)) == 1, 20, "its end")


def explain(slot: Slot, request_id: str, connect_time: str = "0.000", seconds: str = "0") -> tuple[int, str, str]:
    """What nginx is told of a request that began so long ago: status, code, message."""
    headers = {"X-Request-Id": request_id, "X-Connect-Time": connect_time, "X-Failed-After": seconds}
    answer = http_over_unix(slot.folder / "admin.sock", "POST", "/explain", None, headers, 10)
    return answer.status, answer.json()["extensions"]["code"], answer.json()["message"]


@pytest.mark.parametrize(
    ("number", "status", "code", "message"),
    [
        (signal.SIGSTOP, 504, "timeout", "The request could not be decoded within 0.3 s"),
        (signal.SIGKILL, 502, "kernel-died", "The kernel ended while it decoded this request, before a cell ran."),
    ],
)
def test_a_kernel_that_ends_while_it_decodes_blames_no_cell(
    slot: Slot, number: int, status: int, code: str, message: str
) -> None:
    kernel, before = int(slot.get("/pid").text), memory(slot)
    headers = {"Content-Type": "application/json", "X-Request-Id": f"decoding-{status}"}
    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(slot.post, "/decodes", SLOW_JSON, headers=headers)
        # Far more than the body alone.
        eventually(lambda: memory_of(kernel) > before + 4 * len(SLOW_JSON), 20, "the body being decoded")
        os.kill(kernel, number)
        assert isinstance(decoding.exception(), OSError | http.client.HTTPException)
    explanation = explain(slot, f"decoding-{status}", seconds="30")
    assert explanation[:2] == (status, code)
    assert explanation[2].startswith(message)


def test_a_validator_that_cannot_be_interrupted_blames_no_cell(slot: Slot) -> None:
    with contextlib.suppress(OSError):
        slot.get("/validates?n=1", headers={"X-Request-Id": "validating"})
    status, code, message = explain(slot, "validating", seconds="30")
    assert (status, code) == (504, "timeout")
    assert "could not be decoded within 0.3 s" in message
    assert "a validator takes too long" in message


def test_a_request_that_did_not_fit_into_the_queue_is_not_told_the_fate_of_another_with_its_id(slot: Slot) -> None:
    def why(connect_time: str) -> tuple[int, str]:
        return explain(slot, "twice", connect_time)[:2]

    with contextlib.suppress(OSError):
        slot.get("/aborts", headers={"X-Request-Id": "twice"})
    assert why("0.000") == (502, "kernel-died")
    assert why("-") == (503, "overloaded")
    # What begins more than a second after that death is another request with that id.
    eventually(lambda: why("0.000") == (502, "no-answer"), 5, "no word on the earlier request")


def test_whoever_answers_a_request_says_of_which_project_it_is(slot: Slot) -> None:
    record_log = RecordLog()
    with BatchServer(slot.home / "records.sock", record_log.batches.append) as server:
        server.start()
        slot.get("/ok", headers={"X-Request-Id": "by-a-kernel"})
        nginx = {"X-Failed-Method": "GET", "X-Failed-Target": "/apis/t%65st/ok", "X-Request-Id": "by-the-gateway"}
        http_over_unix(slot.folder / "admin.sock", "POST", "/explain", None, nginx, 10)
        records = [record_log.of("by-a-kernel"), record_log.of("by-the-gateway")]
        server.shutdown()
    assert [(record["endpoint"], record["status"]) for record in records] == [("/ok", 200), ("/ok", 503)]
    assert {batch["project"] for batch in record_log.batches} == {"test"}


def test_no_request_is_written_down_anywhere(slot: Slot) -> None:
    headers = {"Authorization": "Basic c2VjcmV0", "X-Key": "a-secret-of-the-caller"}
    assert slot.get("/ok?token=a-secret-of-the-caller", headers=headers).status == 200
    files = [file for file in slot.home.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if "history" in file.name]
    assert not [file for file in files if b"a-secret-of-the-caller" in file.read_bytes()]


def test_its_documentation_names_the_project_and_the_address_that_was_called(slot: Slot) -> None:
    for address in ("/invoke", "/apis/test"):
        document = slot.get("/_api/spec/openapi.json", address=address).json()
        assert (document["info"]["title"], document["servers"]) == ("test", [{"url": address}])


def test_what_happens_between_requests_is_in_the_log(slot: Slot) -> None:
    eventually(lambda: "said at once\n" in slot.log(), 10, "what a task of an ordinary cell says")
    for path, *lines in (
        ("/bell", "printed by a task", "logged by a task", "LookupError: raised by a task"),
        ("/thread", "KeyError: 'raised by a thread'"),
        ("/task", "LookupError: raised by a task of a request"),
        ("/callback", "KeyError: 'raised by a callback'"),
    ):
        assert slot.get(path).text == ""
        for line in lines:
            eventually(lambda line=line: f"[-] {line}\n" in slot.log(), 10, line)


def test_what_threads_and_tasks_print_at_the_same_time_is_in_the_log_line_by_line(slot: Slot) -> None:
    assert slot.get("/together").text == "4000\n"
    lines = eventually(
        lambda: (found := TOGETHER.findall(slot.log())) and len(found) == 4000 and found, 10, "all lines"
    )
    assert sorted(lines) == sorted((str(writer), str(n)) for writer in range(4) for n in range(1000))
    for line in ("an unfinished line that was flushed", "the last words of a thread", "of another"):
        eventually(lambda line=line: f"\n[-] {line}\n" in slot.log(), 10, line)


def test_a_child_that_lives_on_serves_nothing_and_ends_with_its_kernel() -> None:
    with Slot(CELLS) as slot:
        child = int(slot.get("/lasting-child").text)
        kernel = int(slot.get("/pid").text)
        assert {int(slot.get("/pid").text) for _ in range(20)} == {kernel}
        os.kill(kernel, signal.SIGKILL)
        assert slot.get("/ok").text == "ok\n", "the child keeps nothing that callers need"
        assert slot.status()["kernel_deaths"] == 1
        eventually(lambda: has_ended(child), 10, "the child's end")


def test_what_only_looks_like_an_annotation_is_reported_with_its_cell() -> None:
    cells = ["# GET /x\nprint('x')", "# FETCH /y\n", "y = 1\n# GET /z"]
    with Slot(cells) as slot:
        problems = [(problem["cell"], problem["line"]) for problem in slot.status()["problems"]]
        assert problems == [(2, 1), (3, 2)]


def test_kernels_take_turns_however_soon_a_caller_asks_again() -> None:
    with Slot(CELLS, KERNELS="3") as slot:

        def kernel() -> bytes:
            """As `slot.get`, without the pause that an HTTP client makes."""
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(slot.folder / "api.sock"))
                connection.sendall(b"GET /invoke/pid HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return connection.recv(65536).rpartition(b"\n\r\n")[2]

        def twice_in_a_row() -> int:
            kernels = [kernel() for _ in range(600)]
            assert len(set(kernels)) == 3
            return sum(one == after for one, after in itertools.pairwise(kernels))

        # On a busy machine a kernel may not be waiting again when its turn comes, so the best round counts. Chance
        # alone would give 200.
        assert min(twice_in_a_row() for _ in range(5)) < 100


def test_a_kernel_that_is_stopped_while_idle_is_replaced_and_others_answer_meanwhile() -> None:
    with Slot(["import os", PID], KERNELS="2", REQUEST_TIMEOUT="1") as slot:
        pids = {int(slot.get("/pid").text) for _ in range(6)}
        pid = min(pids)
        os.kill(pid, signal.SIGSTOP)
        state = Path(f"/proc/{pid}/stat")
        eventually(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", 5, "its standstill")
        # One that it had taken would be answered by another in the end, in its place.
        assert {int(slot.get("/pid").text) for _ in range(20)} == pids - {pid}
        eventually(lambda: slot.status()["kernel_deaths"] == 1, 20, "its end")
        eventually(lambda: slot.status()["kernels"] == 2, 20, "a new one")
        assert pid not in {int(slot.get("/pid").text) for _ in range(6)}


def test_a_kernel_that_dies_while_it_is_seeded_is_tried_again_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    marker = tmp_path / "broken"
    first = f"import os\nif os.path.exists({str(marker)!r}): os._exit(1)"
    with Slot([first, "# GET /ok\nprint('ok')", "# GET /die\nos._exit(1)"]) as slot, ThreadPoolExecutor(1) as pool:

        def pauses() -> list[str]:
            return re.findall(r"Trying again in (\S+) s", slot.log())

        marker.touch()
        with contextlib.suppress(OSError):  # the connection ends
            slot.get("/die")
        waiting = pool.submit(slot.get, "/ok")  # in the backlog: told as soon as it is known
        eventually(lambda: len(pauses()) >= 3, 30, "three tries")
        assert pauses()[:3] == ["0.2", "0.4", "0.8"]
        refusal = waiting.result()
        assert (refusal.status, refusal.json()["extensions"]["code"]) == (503, "no-kernel")
        assert "retry-after" in refusal.headers
        assert (slot.status()["kernels"], slot.status()["kernel_deaths"]) == (0, 1)
        marker.unlink()
        eventually(lambda: slot.get("/ok").status == 200, 30, "the API's return")
        assert slot.status()["kernels"] == 1


def cell_with_atexit(file: Path) -> str:
    """A cell whose kernel, when it ends in order, creates the file and then takes longer than any test."""
    # The last to be registered is the first to run.
    functions = ["time.sleep, 1000", f"pathlib.Path({str(file)!r}).touch"]
    return "\n".join(["import atexit, os, pathlib, time", *(f"atexit.register({each})" for each in functions)])


def test_atexit_functions_run_at_a_stop_and_cannot_delay_it_for_long(tmp_path: Path) -> None:
    with Slot([cell_with_atexit(tmp_path / "end"), PID]) as slot:
        assert slot.get("/pid").status == 200
        assert not (tmp_path / "end").exists()
    assert (tmp_path / "end").exists()


def test_atexit_functions_run_when_a_cell_ends_its_kernel(tmp_path: Path) -> None:
    with Slot([cell_with_atexit(tmp_path / "end"), PID, "# GET /exit\nexit()"]) as slot:
        with pytest.raises(http.client.RemoteDisconnected):
            slot.get("/exit")
        assert (tmp_path / "end").exists()
        assert slot.get("/pid").status == 200


def test_atexit_functions_run_after_a_start_that_failed(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="ZeroDivisionError"),
        Slot([cell_with_atexit(tmp_path / "end"), "1 / 0", PID]),
    ):
        pass
    assert (tmp_path / "end").exists()


def test_a_kernel_that_replaces_another_while_its_slot_drains_answers_its_requests() -> None:
    waits = """# GET /waits/:name
name = json.loads(REQUEST)["path"]["name"]
pathlib.Path(f"begun-{name}").write_text(str(os.getpid()))
while not os.path.exists(f"go-{name}"): time.sleep(0.02)
print(name)"""
    starts = """import json, os, pathlib, time
while os.path.exists("hold"):
    pathlib.Path("held").touch()
    time.sleep(0.02)"""
    with Slot([starts, PID, waits], KERNELS="2") as slot, ThreadPoolExecutor(2) as pool:
        kernels = {slot.get("/pid").text.strip() for _ in range(6)}

        def wait_in_cell(name: str) -> str:
            """The number of the kernel whose cell waits for the file go-<name>."""
            return eventually(lambda: (file := slot.home / f"begun-{name}").exists() and file.read_text(), 20, name)

        first = pool.submit(slot.get, "/waits/first")
        kernel = wait_in_cell("first")
        (slot.home / "hold").touch()
        os.kill(int(min(kernels - {kernel})), signal.SIGKILL)
        eventually((slot.home / "held").exists, 10, "the start of a new one in its place")
        second = pool.submit(slot.get, "/waits/second")
        eventually(lambda: slot.status()["queue"] == 1, 10, "the second request in the backlog")

        slot.popen.terminate()
        (slot.home / "hold").unlink()
        assert wait_in_cell("second") not in kernels
        (slot.home / "go-first").touch()
        assert first.result().text == "first\n"
        eventually(lambda: has_ended(int(kernel)), 10, "the end of the first kernel")
        (slot.home / "go-second").touch()
        assert second.result().text == "second\n"
