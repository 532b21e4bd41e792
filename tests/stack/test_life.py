"""From the first line to the last: what stops a start, what an end leaves, what the next start remembers."""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.jupyter import Jupyter
from tests.support.packages import make_wheel
from tests.support.processes import look_at
from tests.support.stack import OWNER, STOP_SECONDS, Stack, as_json
from tests.support.waiting import eventually

BUSY = """import subprocess, time
from pathlib import Path
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
bare = subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})"""


def cell_with_start_file(start_file: Path, body: str) -> str:
    """A cell that writes the number of a process that nothing but its number tells apart."""
    return f"Path({str(start_file)!r}).write_text(str(bare.pid) + '.')\n{body}"


def pid_in(file: Path) -> int | None:
    """The number in such a file, once it is all there."""
    text = file.read_text() if file.exists() else ""
    return int(text[:-1]) if text.endswith(".") else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it_in_time_whatever_it_is_doing(
    new_stack: Callable[..., Stack], tmp_path: Path, number: signal.Signals
) -> None:
    stack = new_stack().start()
    in_api, in_jupyter = tmp_path / "api", tmp_path / "jupyter"
    stack.serve("busy", [BUSY, f"# GET /endless\n{cell_with_start_file(in_api, 'while True: pass')}"])
    with ThreadPoolExecutor(1) as pool, Jupyter(stack) as jupyter:
        pool.submit(stack.answer, "/invoke/endless", timeout=30)
        socket = jupyter.connect(jupyter.start_kernel())
        jupyter.send(socket, f"{BUSY}\n{cell_with_start_file(in_jupyter, 'while True: pass')}")
        bare = [eventually(lambda file=file: pid_in(file), 10, "its cell") for file in (in_api, in_jupyter)]
        assert all(look_at(pid) for pid in bare)
        start = time.monotonic()

        status = stack.stop(number)  # asserts that no process is left, nor takes longer than it may

        socket.shutdown()
    assert time.monotonic() - start < STOP_SECONDS
    assert status == 0
    assert [look_at(pid) for pid in bare] == [None, None]
    assert "Reload on save" not in stack.log(), "the watcher has nothing to complain about"


def test_a_signal_ends_all_of_it_in_time_also_when_nothing_heeds_it(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack().start()
    stack.serve("deaf", ["# GET /x\nprint('x')"])
    assert stack.popen is not None
    for process in stack.processes():
        if process.pid != stack.popen.pid:
            os.kill(process.pid, signal.SIGSTOP)

    assert stack.stop() == 0  # asserts that no process is left, nor takes longer than it may


def test_a_short_request_in_flight_is_answered_before_the_end(new_stack: Callable[..., Stack], tmp_path: Path) -> None:
    stack = new_stack().start()
    start_file = tmp_path / "begun"
    cell = f"# GET /short\n{cell_with_start_file(start_file, 'time.sleep(2)')}\nprint('finished')"
    stack.serve("short", [BUSY, cell])
    with ThreadPoolExecutor(1) as pool:
        short = pool.submit(stack.invoke, "short")
        eventually(start_file.exists, 5, "the request in its cell")

        stack.stop()

        answer = short.result(20)
    assert (answer.status_code, answer.text.strip()) == (200, "finished")


def test_a_signal_during_a_start_ends_all_of_it(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack().start()
    stack.write("endless", ["import time\ntime.sleep(600)", "# GET /x\nprint(1)"])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(stack.answer, "/process/start?notebook=endless", timeout=30)
        eventually(lambda: any("ipykernel" in p.command for p in stack.processes()), 10, "its kernel")

        assert stack.stop() == 0


def test_a_signal_right_after_the_launch_ends_all_of_it(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.launch()
    eventually(lambda: "spawned: 'nginx'" in stack.log(), 10, "the first program")

    stack.stop()


def test_what_was_served_is_served_again_until_it_is_stopped(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack().start()
    stack.serve("team/kept", ["# GET /x\nprint('x')"])
    stack.stop()

    stack.start()
    again = eventually(lambda: stack.invoke("x").text.strip() == "x", 15, "the API without a start")
    assert again
    assert stack.status()["notebook"] == "team/kept"
    stack.stop_api()
    stack.stop()

    stack.start()
    assert stack.status()["state"] == "stopped"
    assert stack.invoke("x").status_code == 503


def test_serve_names_what_is_served_at_the_start(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(SERVE="wanted")
    stack.write("wanted", ["# GET /x\nprint('wanted')"])
    stack.write("remembered", ["# GET /x\nprint('remembered')"])
    (stack.notebook_dir / ".serving").write_text("remembered\n", encoding="utf-8")

    stack.start()

    eventually(lambda: stack.invoke("x").text.strip() == "wanted", 15, "the project that SERVE names")


def test_a_project_to_serve_that_is_missing_or_broken_does_not_end_the_stack(
    new_stack: Callable[..., Stack],
) -> None:
    stack = new_stack(SERVE="broken")
    stack.write("broken", ["raise ValueError('broken at the start')", "# GET /x\nprint(1)"])

    stack.start()

    eventually(lambda: stack.status()["state"] == "failed", 15, "the failure in the status")
    assert "broken at the start" in stack.status()["last_error"]["message"]
    stack.write("broken", ["# GET /x\nprint('repaired')"])
    assert stack.start_api("broken").status_code == 200


def test_a_made_up_password_is_printed_and_opens(new_stack: Callable[..., Stack]) -> None:
    name = "böb #1 'x' $y\\"
    stack = new_stack(NOTEBOOK_USER=name, NOTEBOOK_PASSWORD="", API_USER="", API_PASSWORD="")

    stack.start()

    match = re.search(r"^password +(\S+)", stack.log(), re.MULTILINE)
    assert match
    assert f"http://127.0.0.1:{stack.port}/" in stack.log()
    user = name.encode().decode("latin-1")  # requests encodes it as Latin-1, where browsers and curl send UTF-8
    assert stack.get("/process/status", auth=(user, match[1])).status_code == 200
    assert stack.get("/process/status", auth=OWNER).status_code == 401


def test_a_bad_setting_stops_the_start_with_one_line(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(NOTEBOOK_PASSWORD="short")

    stack.launch()

    assert stack.wait(60) != 0
    (line,) = stack.log().strip().splitlines()
    assert line.startswith("error: NOTEBOOK_PASSWORD holds a password of 5 characters")
    assert stack.processes() == []


def test_a_port_that_is_taken_stops_the_start_and_harms_nobody(stack: Stack, new_stack: Callable[..., Stack]) -> None:
    second = new_stack(PORT=str(stack.port))

    second.launch()

    assert second.wait(60) != 0
    (line,) = second.log().strip().splitlines()
    assert f"PORT is {stack.port}" in line
    assert stack.is_healthy()


def test_a_run_directory_in_use_stops_the_start_and_harms_nobody(stack: Stack, new_stack: Callable[..., Stack]) -> None:
    second = new_stack(RUN_DIR=str(stack.run_dir))

    second.launch()

    assert second.wait(60) != 0
    (line,) = second.log().strip().splitlines()
    assert "RUN_DIR is" in line
    assert stack.is_healthy()
    assert as_json(stack.get("/process/status"))["state"]


def test_what_a_notebook_installs_cannot_keep_the_stack_from_starting(
    new_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = new_stack().start()
    for name in ("werkzeug", "supervisor", "jinja2"):
        make_wheel(tmp_path, name, "raise RuntimeError('broken')")
    make_wheel(tmp_path, "greeting", "text = 'Hello from a package.'")
    with Jupyter(stack) as jupyter:
        socket = jupyter.connect(jupyter.start_kernel())
        # Else it would ruin what these tests run in.
        assert jupyter.run(socket, "import sys; print(sys.prefix)").startswith(str(stack.notebook_dir))
        output = jupyter.run(socket, f"%pip install --no-index --no-deps {tmp_path}/*.whl")
        assert "Successfully installed greeting-99.0 jinja2-99.0 supervisor-99.0" in output
        socket.shutdown()
    stack.stop()

    stack.start()

    stack.serve("greeter", ["import greeting", "# GET /greeting\nprint(greeting.text)"])
    assert stack.invoke("greeting").text == "Hello from a package.\n"
    stack.serve("shell", ["# GET /which\n!command -v pip"])
    assert stack.invoke("which").text.startswith(str(stack.notebook_dir))
