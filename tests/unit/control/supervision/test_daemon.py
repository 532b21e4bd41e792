"""The daemon: groups of programs that come and go, their output, and the end of all of them."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from control.config.run_dir import RunDir, write_json
from control.config.settings import Settings
from control.logs.tail import last_lines
from control.supervision.client import Supervisor, SupervisorError
from control.supervision.daemon import Options, Stack
from tests.support.daemon import CONFIGURATION, IDLE, Daemon, write_api
from tests.support.waiting import eventually

PROJECTS = 20
SAY_AND_STAY = f'echo "hello from $1"; {IDLE}'
IGNORE_SIGTERM = "trap '' TERM; echo ready; while :; do sleep 600; done"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("project", "name"),
    [("logs/shop", "logs/shop"), ("logs/news", "logs/news"), ("odd | ü %s {}<&;", "odd \\x7c ü %s {}<&;")],
)
def test_each_line_says_its_project_and_each_api_has_a_log_of_its_own(daemon: Daemon, project: str, name: str) -> None:
    daemon.add_api(project, SAY_AND_STAY).start("green")
    log = daemon.run.api(project).log

    for slot in ("blue", "green"):
        eventually(lambda slot=slot: f"hello from {slot}\n" in last_lines(log, 9), what="its log")
        eventually(lambda slot=slot: f"\n{name}/{slot} | hello from {slot}\n" in daemon.log(), what="stdout")
        # What supervisord says of it says whose it is, too.
        assert f"INFO spawned: '{name}/{slot}' with pid" in daemon.log()
    assert sorted(last_lines(log, 9).splitlines()) == ["hello from blue", "hello from green"]


FORK = """
import os, signal
from control.supervision.fork import deliver_signals_to_new_processes
signal.signal(signal.SIGTERM, lambda *_: None)
deliver_signals_to_new_processes()
if (pid := os.fork()) == 0:
    os.kill(os.getpid(), signal.SIGTERM)
    os.execv("/bin/true", ["true"])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_stop_that_comes_just_after_a_start_is_not_forgotten() -> None:
    """A program that is about to run still has supervisord's handlers."""
    output = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=True).stdout
    assert int(output) == -signal.SIGTERM


def test_twenty_apis_whose_requests_do_not_end_are_stopped_at_once_and_in_time() -> None:
    with Daemon() as daemon:
        supervisors = [daemon.add_api(f"p{number}", IGNORE_SIGTERM) for number in range(PROJECTS)]
        for number in range(PROJECTS):
            eventually(lambda number=number: last_lines(daemon.run.api(f"p{number}").log, 1), what="the start of all")
        # A slot that finishes its requests, for which its project gives it an hour.
        write_json(daemon.run.api("p0").slot_file("blue"), {"settings": {"REQUEST_TIMEOUT": "3600"}})
        supervisors[0].stop("blue", wait=False)
        begin = time.monotonic()

        assert daemon.stop() == 0

        assert 6 <= time.monotonic() - begin < 9
        log = daemon.log()
        assert log.count("/blue (terminated by SIGKILL)") == PROJECTS
        assert log.index("stopped: nginx") > log.rindex("/blue (terminated by SIGKILL)")


def test_apis_come_and_go_at_once_and_nothing_else_notices(daemon: Daemon) -> None:
    stays = daemon.add_api("stays")
    connect_to_tools(daemon)
    eventually(lambda: "tools | the tools have begun" in daemon.log(), what="the tools")
    before = daemon.children()

    def come_and_go(number: int) -> None:
        supervisor = daemon.add_api(f"goes-{number}")
        assert supervisor.process("blue").state in ("STARTING", "RUNNING")
        supervisor.stop("blue", wait=True)
        supervisor.remove_group()
        assert supervisor.process("blue").reason == "it was not started"

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(come_and_go, range(10)))

    assert daemon.children() == before
    eventually(lambda: daemon.log().count("INFO spawned: 'goes-") == 10, what="ten starts")
    assert stays.process("blue").state in ("STARTING", "RUNNING")


def test_an_api_that_is_added_again_is_what_it_was(daemon: Daemon) -> None:
    for count in (1, 2):
        supervisor = daemon.add_api("again", SAY_AND_STAY)
        supervisor.add_group()  # it is there already
        eventually(lambda count=count: last_lines(daemon.run.api("again").log, 9) == count * "hello from blue\n")
        supervisor.stop("blue", wait=True)
        supervisor.remove_group()

    eventually(lambda: daemon.log().count("stopped: again/blue (terminated by SIGTERM)") == 2, what="two stops")


def test_an_api_whose_file_is_gone_goes_on_until_it_is_removed(daemon: Daemon) -> None:
    supervisor = daemon.add_api("gone")
    daemon.run.api("gone").supervisord_conf.unlink()
    daemon.add_api("another")

    assert supervisor.process("blue").state in ("STARTING", "RUNNING")
    supervisor.stop("blue", wait=True)
    assert supervisor.start("blue")
    supervisor.stop("blue", wait=True)
    supervisor.remove_group()
    assert not supervisor.start("blue")
    with pytest.raises(SupervisorError, match="BAD_NAME"):
        supervisor.add_group()


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"no section",
        b"[group:api-x]\nprograms=nothing",
        b"[group:api-x]",
        b"[program:x]",
        b"[program:x]\ncommand=sleep 1\nstopwaitsecs=soon",
        b"[program:x]\ncommand=%(nothing)s",
        b"[program:x]\ncommand=x\ncommand=x\n[program:x]\n",
    ],
)
def test_a_broken_file_is_an_error_that_ends_nothing(daemon: Daemon, text: bytes) -> None:
    api = write_api(daemon.run, "broken")
    api.supervisord_conf.write_bytes(text)
    supervisor = Supervisor(daemon.run.supervisor_socket, api.group)

    with pytest.raises(SupervisorError, match=f"CANT_REREAD|BAD_NAME: {api.group}"):
        supervisor.add_group()

    api.supervisord_conf.unlink()
    daemon.add_api("after")
    assert daemon.popen.poll() is None


def connect_to_tools(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.run.tools_socket))


def test_a_slot_has_the_time_that_its_project_needs_also_after_the_configuration_was_read_again(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.slots.mkdir()
    run.supervisord_conf.write_text(CONFIGURATION.format(run=tmp_path))
    api = write_api(run, "slow")
    write_json(api.slot_file("green"), {"settings": {"REQUEST_TIMEOUT": "3600"}})
    options = Options()
    options.realize(["-c", str(run.supervisord_conf)])
    stack = Stack(options, None, replace(Settings.from_env({}), run_dir=tmp_path))  # type: ignore[arg-type]
    (config,) = [config for config in options.process_group_configs if config.name == api.group]
    for _ in range(2):  # it is the same when it is added again
        assert stack.add_process_group(config)
        processes = stack.process_groups[api.group].processes

        for process in processes.values():
            process.delay = process.config.stopwaitsecs
            stack.on_slot_stopping(SimpleNamespace(process=process))
        options.process_config(do_usage=False)

        for slot, seconds in (("blue", 65), ("green", 3605)):
            process = processes[slot]
            assert (process.config.name, process.delay, process.config.stopwaitsecs) == (
                f"slow/{slot}",
                seconds,
                seconds,
            )
        assert stack.remove_process_group(api.group)
