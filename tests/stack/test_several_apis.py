"""Several APIs at once: what one does costs the others nothing, and the set outlives every program."""

import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.load import Load
from tests.support.stack import Stack, as_json
from tests.support.waiting import eventually

STEADY = ["# GET /x\nprint('steady', end='')"]
UNRULY = [
    "import os, signal, sys, time",
    "# GET /crash\nos.kill(os.getpid(), signal.SIGKILL)",
    "# GET /endless\nwhile True:\n    pass",
    "# GET /slow\ntime.sleep(0.02)  # so that others queue",
    "# GET /flood\nfor _ in range(20_000): sys.stderr.write(999 * '.' + '\\n')",
    "# GET /ok\nprint('ok', end='')",
]
LIMITS = "request_timeout = 1\nqueue_limit = 20\n"


def names(stack: Stack) -> list[str]:
    """The projects that answer at their own addresses."""
    return [api["notebook"] for api in stack.status()["apis"] if api["state"] == "serving"]


def has_failed(stack: Stack) -> bool:
    """Whether /healthz?full says that an API is down."""
    full = stack.get("/healthz?full", auth=None)
    return (full.status_code, as_json(full)["api"]) == (503, "failed")


@pytest.fixture(scope="module")
def neighbours() -> Iterator[Stack]:
    with Stack() as stack:
        stack.start()
        serve_neighbours(stack)
        yield stack


def serve_neighbours(stack: Stack) -> None:
    """Serve `steady`, the default API, and `unruly`."""
    stack.serve("steady", STEADY)
    stack.write("unruly", UNRULY)
    (stack.notebook_dir / "unruly" / "api.toml").write_text(LIMITS)
    assert stack.start_api("unruly").status_code == 200


def call_unruly(stack: Stack, path: str, times: int) -> Counter[int]:
    """The statuses of so many calls at once."""
    with ThreadPoolExecutor(times) as pool:
        calls = [pool.submit(stack.get, f"/apis/unruly/{path}") for _ in range(times)]
        return Counter(call.result().status_code for call in calls)


def overflow(stack: Stack) -> None:
    """Send 10,000 calls, far more at once than may wait."""

    def call(_: int) -> Counter[int]:
        with stack.session() as session:
            return Counter(session.get(f"{stack.url}/apis/unruly/slow", timeout=60).status_code for _ in range(200))

    with ThreadPoolExecutor(50) as pool:
        statuses = sum(pool.map(call, range(50)), Counter[int]())
    assert statuses.total() == 10_000
    assert set(statuses) == {200, 503}


def fail_to_start(stack: Stack) -> None:
    stack.write("unruly", ["raise ValueError('not today')", *UNRULY])
    for _ in range(3):
        assert stack.restart_api("unruly").status_code == 422
    stack.write("unruly", UNRULY)


FAULTS: dict[str, Callable[[Stack], object]] = {
    "crashes": lambda stack: [call_unruly(stack, "crash", 1) for _ in range(4)],
    "endless cells": lambda stack: [call_unruly(stack, "endless", 3) for _ in range(2)],
    "a full queue": overflow,
    "a flood of output": lambda stack: call_unruly(stack, "flood", 3),
    "starts that fail": fail_to_start,
    "restarts": lambda stack: [stack.restart_api("unruly") for _ in range(3)],
    "a stop and a start": lambda stack: [stack.stop_api("unruly"), stack.start_api("unruly")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_one_api_does_loses_no_request_of_another(neighbours: Stack, fault: str) -> None:
    eventually(lambda: neighbours.get("/apis/unruly/ok").text == "ok", 30, "the unruly one")
    before = neighbours.status()
    with Load(neighbours, "/apis/steady/x", clients=4) as own, Load(neighbours, "/invoke/x", clients=2) as default:
        FAULTS[fault](neighbours)
        count = own.answers[200]
        eventually(lambda: own.answers[200] > count + 100, 30, "requests after it")
    assert (set(own.answers), set(default.answers)) == ({200}, {200}), (own.answers, default.answers)
    after = neighbours.status()
    assert {key: after[key] for key in ("notebook", "slot", "since", "kernel_deaths", "last_error", "kernels")} == {
        key: before[key] for key in ("notebook", "slot", "since", "kernel_deaths", "last_error", "kernels")
    }


def test_the_default_moves_without_a_lost_request(neighbours: Stack) -> None:
    eventually(lambda: neighbours.get("/apis/unruly/ok").text == "ok", 30, "the unruly one")
    neighbours.write("other", ["# GET /x\nprint('other', end='')"])
    assert neighbours.start_api("other").status_code == 200
    seen = set()
    with Load(neighbours, "/invoke/x", clients=4) as load:
        for name in ("other", "steady") * 5:
            assert neighbours.process_call("default", name).status_code == 200
            seen.add(neighbours.invoke("x").text)
        assert neighbours.restart_api("other").status_code == 200
    assert set(load.answers) == {200}, load.answers
    assert seen == {"steady", "other"}
    assert neighbours.stop_api("other").status_code == 200


def test_a_start_that_hangs_keeps_no_other_api_waiting(neighbours: Stack) -> None:
    neighbours.write("hanging", ["import time\ntime.sleep(60)  # until the stop below", "# GET /x\nprint(1)"])
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(neighbours.start_api, "hanging")
        eventually(lambda: neighbours.get("/process/status?notebook=hanging").json()["busy"], 10, "the start")
        assert neighbours.restart_api("unruly").status_code == 200
        assert neighbours.restart_api("steady").status_code == 200
        assert not start.done()
        assert neighbours.stop_api("hanging").status_code == 200
        assert start.result().status_code == 409
    assert names(neighbours) == ["steady", "unruly"]


def test_a_killed_control_app_goes_on_with_the_same_set(neighbours: Stack) -> None:
    slots = {api["notebook"]: api["slot"] for api in neighbours.status()["apis"]}
    with Load(neighbours, "/apis/steady/x", clients=4) as load:
        neighbours.kill(neighbours.process("-m gunicorn"))
        eventually(lambda: neighbours.answer("/process/status").status_code == 200, 30, "the control app")  # type: ignore[union-attr]
    assert set(load.answers) == {200}, load.answers
    assert {api["notebook"]: api["slot"] for api in neighbours.status()["apis"]} == slots
    assert neighbours.status()["notebook"] == "steady"


def test_a_gateway_that_is_killed_is_missed_at_its_own_address_alone(neighbours: Stack) -> None:
    eventually(lambda: neighbours.get("/apis/unruly/ok").text == "ok", 30, "the unruly one")
    folder = next(neighbours.run_dir.glob("apis/unruly")).resolve()
    with Load(neighbours, "/apis/steady/x", clients=4) as load:
        for _ in range(3):
            eventually(lambda: neighbours.get("/apis/unruly/ok").text == "ok", 30, "the unruly one")
            folder = (neighbours.run_dir / "apis" / "unruly").resolve()
            neighbours.kill(neighbours.process(f"-m gateway {folder.relative_to(neighbours.run_dir.resolve())}"))
    assert set(load.answers) == {200}, load.answers


def test_gateways_that_hang_keep_nobody_waiting_who_asks_how_it_goes(neighbours: Stack) -> None:
    gateways = [process for process in neighbours.processes() if "-m gateway" in process.command]
    paths = ("/process/status", "/healthz?full", "/process/metrics", "/")
    try:
        for process in gateways:
            os.kill(process.pid, signal.SIGSTOP)
        neighbours.get("/process/status")  # this one waits, for all at the same time
        seconds = {path: neighbours.get(path).elapsed.total_seconds() for path in paths}
    finally:
        for process in gateways:
            os.kill(process.pid, signal.SIGCONT)
    assert max(seconds.values()) < 1, seconds
    eventually(lambda: names(neighbours) == ["steady", "unruly"], 10, "both, as before")


def test_changes_by_many_callers_at_once_end_well_and_agree(neighbours: Stack) -> None:
    projects = ["one", "two"]
    for name in projects:
        neighbours.write(name, [f"# GET /x\nprint({name!r}, end='')"])

    def call(number: int) -> set[int]:
        choice = random.Random(number).choice  # noqa: S311
        calls = [(choice(["start", "restart", "stop", "default"]), choice(projects)) for _ in range(4)]
        return {neighbours.process_call(call, name).status_code for call, name in calls}

    with ThreadPoolExecutor(6) as pool:
        statuses = set().union(*pool.map(call, range(6)))
    assert statuses <= {200, 409}
    for name in projects:
        assert neighbours.stop_api(name).status_code == 200
        assert not (neighbours.run_dir / "apis" / name).is_symlink()
        assert neighbours.start_api(name).status_code == 200
        assert neighbours.get(f"/apis/{name}/x").text == name
        assert neighbours.stop_api(name).status_code == 200
    assert neighbours.process_call("default", "steady").status_code == 200
    assert names(neighbours) == ["steady", "unruly"]
    eventually(lambda: sum("-m gateway" in each.command for each in neighbours.processes()) == 2, 10, "those two alone")
    assert "control | Traceback" not in neighbours.log()


def test_what_is_deleted_of_an_api_by_hand_comes_back(neighbours: Stack) -> None:
    shutil.rmtree((neighbours.run_dir / "apis" / "unruly").resolve().parent)
    eventually(lambda: neighbours.get("/apis/unruly/ok").text == "ok", 20, "another gateway")
    assert neighbours.get("/apis/steady/x").text == "steady"


def test_a_new_container_serves_the_same_set(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack().start()
    for name in ("first", "second", "broken"):
        stack.write(name, [f"# GET /x\nprint({name!r}, end='')"])
        assert stack.start_api(name).status_code == 200
    assert stack.process_call("default", "second").status_code == 200
    stack.stop()
    stack.write("broken", ["1/0", "# GET /x\nprint(1)"])

    stack.start()
    eventually(lambda: names(stack) == ["first", "second"], 20, "those that run")
    assert stack.invoke("x").text == stack.get("/apis/second/x").text == "second"
    assert stack.get("/apis/broken/x").status_code == 503
    status = stack.get("/process/status?notebook=broken").json()
    assert (status["retry"]["notebook"], status["last_error"]["name"]) == ("broken", "ZeroDivisionError")
    eventually(lambda: has_failed(stack), 10, "what health says between two attempts to start it")

    stack.settings["SERVE"] = "first, second"
    stack.stop()
    stack.start()
    eventually(lambda: names(stack) == ["first", "second"], 20, "what SERVE names")
    assert stack.invoke("x").text == "first"
    assert "broken" not in [api["notebook"] for api in stack.status()["apis"]]


def test_twenty_apis_start_answer_and_stop(new_stack: Callable[..., Stack]) -> None:
    projects = [f"api{number:02}" for number in range(20)]
    stack = new_stack(SERVE=",".join(projects))
    for name in projects:
        stack.write(name, [f"# GET /x\nprint({name!r}, end='')"])
    stack.start()
    eventually(lambda: names(stack) == projects, 120, "all of them")
    assert [stack.get(f"/apis/{name}/x").text for name in projects] == projects
    stopped = as_json(stack.stop_api())
    assert sorted(stopped["stopped"]) == projects
    assert not [process for process in stack.processes() if "-m gateway" in process.command]
