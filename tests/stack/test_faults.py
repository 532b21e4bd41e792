"""Faults in cells at a steady load: every request gets an answer, the right ones fail, the rest do not."""

import base64
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.load import Load
from tests.support.processes import Process
from tests.support.stack import API_USER, OWNER, Stack, as_json
from tests.support.waiting import eventually

GB = 1024**3
CELLS = [
    "import asyncio, ctypes, json, os, resource, signal, sys, threading, time\ncancelled = []",
    "# GET /ok\nprint('ok')",
    "# GET /die\nos._exit(1)",
    "# GET /segfault\nctypes.string_at(0)",
    "# GET /exit\nexit()",
    "# GET /killed\nos.kill(os.getpid(), signal.SIGKILL)",
    "# GET /endless\n# timeout: 0.5\nwhile True: pass",
    "# GET /stubborn\n# timeout: 0.5\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException: pass",
    "# GET /holds_gil\n# timeout: 0.5\nctypes.PyDLL(None).sleep(60)",
    "# GET /raises\nraise ValueError('no such thing')",
    "# GET /output\nwhile True: print('x' * 100_000)",
    f"# GET /memory\nold = resource.getrlimit(resource.RLIMIT_AS)\n"
    f"resource.setrlimit(resource.RLIMIT_AS, ({4 * GB}, old[1]))\n"
    f"try: hoard = bytearray({8 * GB})\nfinally: resource.setrlimit(resource.RLIMIT_AS, old)",
    "# GET /awaits\n# timeout: 0.5\nimport asyncio\nawait asyncio.sleep(60)",
    "# GET /stops\n# timeout: 0.5\nos.kill(os.getpid(), signal.SIGSTOP)",
    "# GET /asks\ninput('who?')",
    "# GET /injects\nprint('x')",
    "# ResponseInfo GET /injects\nprint(json.dumps({'headers': {'X': 'a\\r\\nSet-Cookie: x=1'}}))",
    "# GET /breaks\nimport flask\ndef rows():\n    yield 'whole' * 100_000\n    1 / 0\nflask.Response(rows())",
    "# POST /size\nprint(len(REQUEST))",
    "# GET /blocks\ntime.sleep(1)\nprint('done')",
    # Sleeps so that more come in than may wait.
    "# GET /briefly\ntime.sleep(0.4)\nprint('done')",
    "# GET /waits\nimport asyncio\ntry:\n    await asyncio.sleep(30)\nfinally:\n    cancelled.append(1)",
    "# GET /cancelled\nprint(os.getpid(), len(cancelled))",
]
SETTLED_SECONDS = 30
GROWTH = 0.1  # of all memory, which a fault may leave behind: allocators keep a little


@pytest.fixture(scope="module")
def faulty() -> Iterator[Stack]:
    """A stack of two kernels that serves the cells above, warm."""
    with Stack(KERNELS="2", QUEUE_LIMIT="20", MAX_OUTPUT_MB="1") as stack:
        stack.start()
        stack.serve("faulty", CELLS)
        with Load(stack, "/invoke/ok", clients=8) as load:
            eventually(lambda: load.answers[200] > 500, 60, "warm kernels")
        yield stack


@pytest.fixture(scope="module")
def impatient() -> Iterator[Stack]:
    """A stack that gives up soon what takes long."""
    with Stack(REQUEST_TIMEOUT="1", START_TIMEOUT="15") as stack:
        yield stack.start()


@pytest.fixture
def stack_at_rest(faulty: Stack) -> Iterator[Stack]:
    """The same, and 30 seconds after the test at the latest it has no more processes and memory than before."""
    processes, memory = footprint(faulty)
    yield faulty
    settle(faulty)

    def is_as_before() -> bool:
        processes_now, memory_now = footprint(faulty)
        # A spare process that was there before, as a kernel had just died, has ended meanwhile.
        return processes_now <= processes and memory_now <= memory * (1 + GROWTH)

    eventually(is_as_before, SETTLED_SECONDS, f"{processes} processes and {memory / 1e6:.0f} MB again")


def footprint(stack: Stack) -> tuple[int, int]:
    """How many processes the stack has, and the bytes that they hold in all."""
    processes = stack.processes()
    return len(processes), sum(process.memory() for process in processes)


def kernels(stack: Stack) -> list[Process]:
    return [process for process in stack.processes() if "gateway/worker/ipykernel_main.py" in process.command]


def settle(stack: Stack) -> None:
    """Wait until the stack is as it was: two kernels, no more processes, and they answer."""

    def is_settled() -> bool:
        return stack.status()["kernels"] == 2 and len(kernels(stack)) == 2

    eventually(is_settled, SETTLED_SECONDS, "two kernels again")
    assert stack.invoke("ok").text == "ok\n"


@pytest.mark.parametrize(
    ("path", "status", "code", "replaces"),
    [
        ("die", 502, "kernel-died", True),
        ("segfault", 502, "kernel-died", True),
        ("exit", 502, "kernel-died", True),
        ("killed", 502, "kernel-died", True),
        ("endless", 504, "timeout", False),
        ("stubborn", 504, "timeout", True),
        ("holds_gil", 504, "timeout", True),
        ("raises", 500, "cell-failed", False),
        ("output", 500, "output-too-long", False),
        ("memory", 500, "cell-failed", False),
        ("awaits", 504, "timeout", False),
        ("stops", 504, "timeout", True),
        ("asks", 500, "cell-failed", False),
        ("injects", 500, "bad-response-info", False),
    ],
)
def test_a_fault_fails_its_own_request_and_no_other(
    stack_at_rest: Stack, path: str, status: int, code: str, replaces: bool
) -> None:
    deaths = stack_at_rest.status()["kernel_deaths"]
    with Load(stack_at_rest, "/invoke/ok", clients=8) as load:
        answer = stack_at_rest.invoke(path)
        settle(stack_at_rest)
    assert answer.status_code == status
    body = as_json(answer)
    assert body["extensions"]["code"] == code
    assert body["extensions"]["request_id"] in stack_at_rest.api_log(5000) or replaces
    assert set(load.answers) == {200}, load.answers
    assert stack_at_rest.status()["kernel_deaths"] - deaths == (1 if replaces else 0)
    assert "Set-Cookie" not in answer.headers


def test_the_user_of_the_api_is_told_why_too(stack_at_rest: Stack) -> None:
    # By the gateway, whom nginx asks, as the kernel has died: that is no address that this user may call.
    answer = stack_at_rest.invoke("die", auth=API_USER)

    assert (answer.status_code, as_json(answer)["extensions"]["code"]) == (502, "kernel-died")


def test_a_stream_that_raises_breaks_off_and_never_ends_as_if_it_were_whole(stack_at_rest: Stack) -> None:
    with Load(stack_at_rest, "/invoke/ok", clients=8) as load:
        for _ in range(3):
            with pytest.raises(requests.RequestException):
                stack_at_rest.invoke("breaks")
    assert set(load.answers) == {200}, load.answers


def test_a_client_that_goes_away_while_it_sends_its_body_harms_nobody(stack_at_rest: Stack) -> None:
    before = {process.pid for process in kernels(stack_at_rest)}
    head = request_head("/invoke/size").replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 1000000")
    with Load(stack_at_rest, "/invoke/ok", clients=8) as load:
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", stack_at_rest.port)) as client:
                client.sendall(head + b"\r\n\r\n" + b"x" * 200_000)
    assert set(load.answers) == {200}, load.answers
    assert {process.pid for process in kernels(stack_at_rest)} == before


def test_a_kernel_that_is_killed_while_idle_is_replaced(stack_at_rest: Stack) -> None:
    before = {process.pid for process in kernels(stack_at_rest)}
    with Load(stack_at_rest, "/invoke/ok", clients=8) as load:
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len({p.pid for p in kernels(stack_at_rest)} - before) == 2, SETTLED_SECONDS, "new kernels")
        settle(stack_at_rest)
    # Each may have been in a request when it was killed.
    assert load.answers.pop(502, 0) <= 2
    assert set(load.answers) == {200}, load.answers


def test_more_requests_than_may_wait_are_refused_at_once(stack_at_rest: Stack) -> None:
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: measure(lambda: stack_at_rest.invoke("briefly")), range(40)))
    refusal = [(answer, took) for answer, took in answers if answer.status_code == 503]
    durations = [took for answer, took in answers if answer.status_code == 200]
    assert len(refusal) + len(durations) == 40
    assert len(durations) >= 20, "those that fit into the queue are served"
    assert refusal
    for answer, _ in refusal:
        assert answer.headers["Retry-After"].isdigit()
        assert as_json(answer)["extensions"]["code"] == "overloaded"
    assert min(took for _, took in refusal) < max(durations), "the queue was not waited for"
    settle(stack_at_rest)


def measure(call: Callable[[], object]) -> tuple[object, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_the_cell_of_a_client_that_goes_away_is_cancelled_where_it_awaits(stack_at_rest: Stack) -> None:
    def count_cancellations() -> int:
        answers = [stack_at_rest.invoke("cancelled").text.split() for _ in range(12)]
        return sum(int(count) for count in dict(answers).values())

    before = count_cancellations()
    with Load(stack_at_rest, "/invoke/ok", clients=8) as load:
        with socket.create_connection(("127.0.0.1", stack_at_rest.port)) as client:
            client.sendall(request_head("/invoke/waits"))
            eventually(lambda: stack_at_rest.invoke("ok").status_code == 200, 10, "an answer beside it")
        eventually(lambda: count_cancellations() > before, 10, "its cancellation")
    assert set(load.answers) == {200}, load.answers


def test_a_client_that_goes_away_from_a_blocking_cell_leaves_the_kernel_sound(stack_at_rest: Stack) -> None:
    before = {process.pid for process in kernels(stack_at_rest)}
    with Load(stack_at_rest, "/invoke/ok", clients=8) as load:
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", stack_at_rest.port)) as client:
                client.sendall(request_head("/invoke/blocks"))
        settle(stack_at_rest)
    assert set(load.answers) == {200}, load.answers
    assert {process.pid for process in kernels(stack_at_rest)} == before


def request_head(path: str) -> bytes:
    credentials = base64.b64encode(":".join(OWNER).encode()).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\r\n"
    return head.encode()


def test_a_kernel_that_cannot_be_brought_up_again_is_said_and_tried_until_it_can(stack: Stack) -> None:
    marker = stack.home / "broken"
    check = f"import os\nif os.path.exists({str(marker)!r}): raise RuntimeError('the database is down')"
    stack.serve("fragile", [check, "# GET /ok\nprint('ok')", "# GET /die\nos._exit(1)"])
    marker.touch()
    assert stack.invoke("die").status_code == 502
    message = eventually(lambda: outage(stack), 20, "a clear refusal")
    assert "the database is down" in message
    marker.unlink()
    eventually(lambda: stack.invoke("ok").status_code == 200, 40, "the API's return")


def test_a_kernel_that_something_else_than_a_request_blocks_is_replaced(impatient: Stack) -> None:
    marker = impatient.home / "blocked-once"
    block = f"""
import asyncio, os, time
def block():
    if not os.path.exists({str(marker)!r}):
        open({str(marker)!r}, 'w').close()
        time.sleep(1000)
asyncio.get_running_loop().call_later(0.5, block)
"""
    impatient.serve("blocked", [block, "# GET /ok\nprint('ok')"])
    eventually(marker.exists, 10, "the block")
    assert impatient.invoke("ok").text == "ok\n"
    assert impatient.status()["kernel_deaths"] == 1


def test_a_replacement_whose_cells_never_end_is_given_up_and_said(impatient: Stack) -> None:
    marker = impatient.home / "hanging"
    wait = f"import os, time\nif os.path.exists({str(marker)!r}): time.sleep(1000)"
    impatient.serve("waiting", [wait, "# GET /ok\nprint('ok')", "# GET /die\nos._exit(1)"])
    marker.touch()
    assert impatient.invoke("die").status_code == 502
    message = eventually(lambda: outage(impatient), 30, "a clear refusal")
    assert "START_TIMEOUT" in message
    marker.unlink()
    eventually(lambda: impatient.invoke("ok").status_code == 200, 60, "the API's return")


def test_callers_in_the_backlog_are_answered_when_the_kernel_dies_while_the_slot_drains(stack: Stack) -> None:
    cells = ["import os, time", "# GET /dies\ntime.sleep(2)\nos._exit(1)", "# GET /ok\nprint('ok')"]
    stack.serve("draining", cells)
    with ThreadPoolExecutor(6) as pool:
        dying = pool.submit(stack.invoke, "dies")
        waiting = [pool.submit(stack.invoke, "ok") for _ in range(4)]
        restart = pool.submit(stack.restart_api, "draining")
        assert restart.result().status_code == 200
        assert dying.result().status_code == 502
        assert [answer.result().status_code for answer in waiting] == [200] * 4


def outage(stack: Stack) -> str | None:
    answer = stack.invoke("ok")
    return as_json(answer)["message"] if answer.status_code == 503 and "Retry-After" in answer.headers else None
