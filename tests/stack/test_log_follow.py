"""Following the log through nginx, with `curl -N` and with more readers than there is room for."""

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from control.logs.follow import MAX_FOLLOWERS
from tests.support.flood import CELLS, TOTAL, flood
from tests.support.stack import OWNER, STOP_SECONDS, Stack
from tests.support.waiting import eventually

FOLLOW = "/process/logs?follow=1&lines=0"
SAY = ["import json, sys", "# GET /say/:word\nprint(json.loads(REQUEST)['path']['word'], file=sys.stderr)"]


@pytest.fixture
def talking(stack: Stack) -> Stack:
    """The shared stack, serving a notebook that writes what it is told into its log."""
    stack.serve("talking", SAY)
    return stack


@pytest.fixture
def follow(talking: Stack) -> Iterator[Callable[[], requests.Response]]:
    """Opens streams of the log, and closes them after the test."""
    with ExitStack() as open_page:
        yield lambda: open_page.enter_context(talking.get(FOLLOW, stream=True))


def test_curl_shows_each_line_as_it_is_written(talking: Stack) -> None:
    command = ["curl", "-sN", "--noproxy", "*", "-u", ":".join(OWNER), f"{talking.url}{FOLLOW}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout
        assert curl.stdout.readline() == b":\n"  # a comment: it has begun
        talking.invoke("say/first", headers={"X-Request-Id": "my-request"})
        assert [curl.stdout.readline() for _ in range(4)][2] == b"data: [my-request] first\n"
        curl.terminate()


def test_all_who_fit_follow_and_the_next_is_told_so_while_other_calls_are_answered(
    talking: Stack, follow: Callable[[], requests.Response]
) -> None:
    followers = [follow() for _ in range(MAX_FOLLOWERS)]
    refusal = follow()

    assert [one.status_code for one in followers] == [200] * MAX_FOLLOWERS
    assert refusal.status_code == 503
    assert f"{MAX_FOLLOWERS} times already" in refusal.json()["message"]
    assert talking.status()["state"] == "serving"
    assert talking.restart_api().status_code == 200
    for one in followers:
        one.close()
    eventually(lambda: follow().status_code == 200, 5, "a free place")


def test_open_followers_do_not_delay_the_end(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack().start()
    with ExitStack() as open_page:
        for _ in range(MAX_FOLLOWERS):
            assert open_page.enter_context(stack.get(FOLLOW, stream=True)).status_code == 200
        start = time.monotonic()

        assert stack.stop() == 0  # asserts that no process is left

        assert time.monotonic() - start < STOP_SECONDS


def test_a_hundred_megabytes_of_log_are_followed_in_order_and_in_little_memory(
    new_stack: Callable[..., Stack],
) -> None:
    stack = new_stack().start()
    stack.serve("flood", CELLS)
    with stack.get(FOLLOW, stream=True) as follower, ThreadPoolExecutor(1) as pool:
        coming = follower.iter_lines(65_536)
        assert next(coming) == b":"  # it has begun

        def flood_and_end() -> None:
            flood(stack)
            stack.invoke("say/end", headers={"X-Request-Id": "flood"})

        end = pool.submit(flood_and_end)
        prefix = b"data: [flood] "
        lines = (line.removeprefix(prefix) for line in coming if line.startswith(prefix))
        numbers = [int(line.rstrip(b".")) for line in iter(lines.__next__, b"end")]
        end.result()
    # One that is so slow that the log is rotated twice meanwhile misses some, and never gets them in another order.
    assert numbers == sorted(set(numbers))
    assert len(numbers) > TOTAL // 2

    assert stack.get("/").status_code == 200
    assert stack.api_log(1) == "[flood] end\n"
    assert stack.get("/process/logs?lines=10000").text.count("\n") == 10_000
    control = [process for process in stack.processes() if "control.web.app" in process.command]
    assert max(most_memory(process.pid) for process in control) < 150_000_000
    assert sum(file.stat().st_size for file in stack.run_dir.glob("**/api.log*")) < 25_000_000


def most_memory(pid: int) -> int:
    """The most bytes that a process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def test_a_follower_that_makes_no_sense_is_refused(stack: Stack) -> None:
    answer = stack.get("/process/logs?follow=yes")

    assert answer.status_code == 400
    assert "give 1 to follow" in answer.json()["message"]
