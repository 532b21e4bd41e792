"""The start of a kernel: in the process that was prepared for it, and with much output of ordinary cells."""

import re
import time
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from control.environments.environment import Environment
from gateway.arbiter.worker_starter import ATTACH_TIMEOUT
from tests.support.processes import running
from tests.support.slot import Slot

ENDPOINT = "# GET /x\nprint('x')"
WRITES, LINES = 2500, 40  # more writes than ØMQ queues while nobody reads, and lines in each

PRINTS_MUCH = f"""
for number in range({WRITES}):
    print("\\n".join(f"line {{number * {LINES} + n}}" for n in range({LINES})), flush=True)
"""
WAITS_FOR_ITS_OUTPUT = """
import pathlib, time
print("half way", flush=True)
deadline = time.monotonic() + 20
while "half way" not in pathlib.Path("log").read_text():
    assert time.monotonic() < deadline, "its output is not in the log"
    time.sleep(0.05)
"""

PRINTS_FOR_LONG = """
import os, time
deadline = time.monotonic() + 4
while time.monotonic() < deadline:
    print("x" * 1000)
"""
LARGEST = 200_000  # kB that a gateway or a kernel may have held at once; they hold less than 100,000


def test_a_cell_that_prints_100_000_lines_starts_and_all_are_in_the_log() -> None:
    with Slot([PRINTS_MUCH, ENDPOINT]) as slot:
        assert slot.get("/x").text == "x\n"
        lines = [line for line in slot.log().splitlines() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(WRITES * LINES)]


def test_output_is_in_the_log_while_the_cell_runs() -> None:
    with Slot([WAITS_FOR_ITS_OUTPUT, ENDPOINT]) as slot:
        assert "half way" in slot.log()


def test_the_kernel_runs_in_the_process_that_was_prepared_for_it() -> None:
    with Slot([ENDPOINT]) as slot:
        (kernel,) = [process for process in running() if process.parent == slot.popen.pid]
    assert "ipykernel_main.py" in kernel.command


def test_output_of_a_start_is_cut_and_counted_and_takes_no_memory() -> None:
    with Slot([PRINTS_FOR_LONG, "# GET /pid\nprint(os.getpid())"], MAX_OUTPUT_MB="1") as slot:
        for pid in (slot.popen.pid, int(slot.get("/pid").text)):
            largest = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            assert largest
            assert int(largest[1]) < LARGEST
        lines = slot.log().splitlines()
    assert sum(map(len, lines)) < 1_100_000
    assert [
        line for line in lines if re.fullmatch(r"\(\d+ more characters that this cell printed were dropped.*", line)
    ]


VARIABLES = """
# GET /variables
import datetime, sys
names = ("API_KEY", "PATH", "KERNEL_GATEWAY")
hour = datetime.datetime.fromtimestamp(0).hour
print(json.dumps({**{name: os.environ.get(name) for name in names}, "hour": hour, "path": sys.path}))"""


def test_a_kernel_has_the_variables_of_its_project_and_so_has_the_one_that_replaces_it() -> None:
    slot = Slot(["import json, os", VARIABLES, "# GET /die\nos._exit(1)"], OF_THE_GATEWAY="x")
    (slot.home / ".env").write_text("API_KEY=${OF_THE_GATEWAY}yz\nPATH=/mine:${PATH}\nKERNEL_GATEWAY=0\n")
    with slot:
        (kernel,) = [process for process in running() if process.parent == slot.popen.pid]
        before = slot.get("/variables").json()
        (slot.home / ".env").write_text("no longer right")  # counts at the next start, not for these kernels
        with pytest.raises(RemoteDisconnected):
            slot.get("/die")
        after = slot.get("/variables").json()
        log = slot.log()

    assert "ipykernel_main.py" in kernel.command
    assert before == after
    assert before["API_KEY"] == "xyz"
    assert "/mine" in before["PATH"].split(":")
    assert before["KERNEL_GATEWAY"] == "1"
    assert "xyz" not in log


def test_variables_that_count_when_a_process_starts_count() -> None:
    slot = Slot(["import json, os", VARIABLES])
    (slot.home / ".env").write_text("TZ=Etc/GMT-5\nPYTHONPATH=lib\n")
    with slot:
        values = slot.get("/variables").json()

    assert values["hour"] == 5
    assert str(slot.home / "lib") in values["path"]


def test_a_bad_line_ends_the_start_with_its_number() -> None:
    slot = Slot([ENDPOINT])
    (slot.home / ".env").write_text("A=1\nsk-secret, not a variable\n")

    with pytest.raises(AssertionError, match=r"\.env: line 2: write NAME=value") as error, slot:
        pass

    assert "sk-secret" not in str(error.value)


FAILS_IN_THE_ENGINE = """
import gateway.worker.start
def fail(*_): raise AttributeError("IPython has no such thing")
gateway.worker.start._compile = fail"""


def test_an_engine_that_fails_in_the_kernel_ends_the_start_at_once() -> None:
    start = time.monotonic()

    with (
        pytest.raises(AssertionError, match="EngineFailed: IPython has no such thing"),
        Slot([FAILS_IN_THE_ENGINE, ENDPOINT]),
    ):
        pass

    assert time.monotonic() - start < ATTACH_TIMEOUT


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("ipython-7.34.0.dist-info/METADATA", "Name: ipython\nVersion: 7.34.0\n", "ipython 7.34.0 in place of "),
        ("tornado.py", "raise ImportError('another tornado')", "ImportError: another tornado"),
    ],
)
def test_a_start_that_fails_says_which_packages_of_the_kernel_are_others(
    tmp_path: Path, file: str, content: str, reason: str
) -> None:
    environment = Environment(tmp_path)
    environment.create()
    path = environment.site_packages / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    message = rf"no kernel can start with the packages that are installed in its environment \({reason}"

    cells = [FAILS_IN_THE_ENGINE, ENDPOINT]
    with pytest.raises(AssertionError, match=message), Slot(cells, **environment.variables()):
        pass
