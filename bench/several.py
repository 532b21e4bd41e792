"""Several APIs in one stack: what each more costs, and what the faults of one cost another."""

import base64
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.servers import process_tree, pss
from bench.throughput import Row
from tests.stack.test_several_apis import FAULTS, serve_neighbours
from tests.support.load import Load
from tests.support.stack import OWNER, Stack, as_json

COUNT = 20
SECONDS = 5  # of a measurement of latencies
AUTHORIZATION = f"Authorization: Basic {base64.b64encode(':'.join(OWNER).encode()).decode()}"


def rows() -> list[Row]:
    return [*growth(), *neighbours()]


# -- from 1 to 20


def growth() -> list[Row]:
    """Memory and start time of each more API, and a restart of each under load."""
    projects = [f"api{number:02}" for number in range(COUNT)]
    with Stack() as stack:
        stack.start()
        empty = memory(stack)
        memories, starts = [empty], []
        for name in projects:
            stack.write(name, [f"# GET /x\nprint({name!r}, end='')"])
            began = time.monotonic()
            succeed(stack, "start", name)
            starts.append(time.monotonic() - began)
            memories.append(memory(stack))
        lost, restarts = restart_under_load(stack, projects)
        after = memory(stack)
        began = time.monotonic()
        succeed(stack, "stop")
        stop = time.monotonic() - began
    starts_s = f"{starts[0]:.2f} s and {statistics.median(starts[-5:]):.2f} s"
    first, last = memories[1] - empty, statistics.mean(memories[-1 - i] - memories[-2 - i] for i in range(5))
    mega = 1e6
    return [
        ("memory (PSS) of an API, the first and the last of 20", f"{first / mega:.0f} MB and {last / mega:.0f} MB",
         "", ""),
        (f"memory of the stack with 20 APIs, and after a restart of each (without any: {empty / mega:.0f} MB)",
         f"{memories[-1] / 1e9:.2f} GB, {after / 1e9:.2f} GB", "2.5 GB", "1.5 GB"),
        ("start of an API, of the first and the last of 20", starts_s,
         "", ""),
        ("restart of each of 20 under load: requests lost, median of its time",
         f"{lost}, {statistics.median(restarts):.2f} s", "0", "0"),
        ("stop of 20 APIs", f"{stop:.2f} s", "10 s", "2 s"),
    ]  # fmt: skip


def restart_under_load(stack: Stack, projects: list[str]) -> tuple[int, list[float]]:
    """How many requests to all APIs failed, and how long each restart took."""
    times = []
    loads = [Load(stack, f"/apis/{name}/x", clients=1) for name in projects]
    for load in loads:
        load.__enter__()
    for name in projects:
        began = time.monotonic()
        succeed(stack, "restart", name)
        times.append(time.monotonic() - began)
    for load in loads:
        load.__exit__()
    return sum(load.answers.total() - load.answers[200] for load in loads), times


def succeed(stack: Stack, call: str, project: str | None = None) -> None:
    """RuntimeError if the call fails."""
    response = stack.process_call(call, project)
    if response.status_code != 200:
        raise RuntimeError(f"{call} {project}: {as_json(response)['message']}")


def memory(stack: Stack) -> int:
    """Bytes of all processes of the stack, shared pages in proportion (PSS)."""
    return sum(pss(pid) for pid in process_tree(stack.process("control.supervision.daemon").pid))


# -- neighbours


def neighbours() -> list[Row]:
    """The 99th percentile of one API's latencies, alone and while another has a fault."""
    with Stack() as stack:
        stack.start()
        serve_neighbours(stack)
        alone = statistics.median(percentile_99(stack) for _ in range(3))
        ratios = {name: while_it_goes_on(stack, fault) / alone for name, fault in FAULTS.items()}
    name, worst = max(ratios.items(), key=lambda item: item[1])
    figures = ", ".join(f"{name} {ratio:.1f} x" for name, ratio in ratios.items())
    return [
        (f"99th percentile of an API ({alone:.1f} ms alone) while its neighbour has: {figures}",
         f"at most {worst:.1f} x ({name})", "3 x", "1.5 x"),
    ]  # fmt: skip


def while_it_goes_on(stack: Stack, fault: Callable[[Stack], object]) -> float:
    """The percentile in ms while a fault happens over and over."""
    end = threading.Event()

    def repeat() -> None:
        while not end.is_set():
            fault(stack)

    with ThreadPoolExecutor(1) as pool:
        repetition = pool.submit(repeat)
        try:
            return percentile_99(stack)
        finally:
            end.set()
            repetition.result()


def percentile_99(stack: Stack) -> float:
    """In ms, by wrk, with 4 connections; RuntimeError if any request failed."""
    url = f"{stack.url}/apis/steady/x"
    command = ["wrk", "-t1", "-c4", f"-d{SECONDS}s", "--latency", "-H", AUTHORIZATION, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"requests failed:\n{output}")
    text = next(line.split()[1] for line in output.splitlines() if line.strip().startswith("99%"))
    number, unit = text.rstrip("mus"), text.lstrip("0123456789.")
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


if __name__ == "__main__":
    for row in rows():
        print(row)
