"""supervisord with an API that prints much, while its output cannot be written: it goes on, and so does another API."""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from control.config.run_dir import RunDir, write_json
from control.logs.tail import last_lines
from tests.support.stack import ROOT
from tests.support.waiting import eventually

PROGRAM = """
import pathlib, sys, time
folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
def wait(name):
    while not (folder / name).exists():
        time.sleep(0.01)
wait("begin")
for number in range(count):
    print(f"{number:09} {'x' * 89}", flush=number % 100 == 0)
print("all of them", flush=True)
(folder / "printed").touch()
wait("end")
print("the end", flush=True)
wait("never")
"""
CONFIGURATION = """
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/supervisord.pid
"""
API = """
[group:{group}]
programs={group}
[program:{group}]
process_name=blue
command={command}
redirect_stderr=true
stdout_logfile=NONE
stdout_events_enabled=true
"""
NEIGHBOUR = "while [ ! -e {folder}/speak ]; do sleep 0.01; done; echo I am quiet; exec sleep 600"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """The run directory."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:  # socket paths are short
        yield Path(path)


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts supervisord with a program that is to print so many lines."""
    daemons = []

    def start_daemon(count: int) -> subprocess.Popen[str]:
        (folder / "program.py").write_text(PROGRAM)
        (folder / "neighbour").write_text(NEIGHBOUR.format(folder=folder))
        configuration = CONFIGURATION.format(folder=folder)
        configuration += api(folder, "noisy", f"{sys.executable} {folder}/program.py {folder} {count}")
        configuration += api(folder, "quiet", f"sh {folder}/neighbour")
        (folder / "supervisord.conf").write_text(configuration)
        daemon = subprocess.Popen(
            [sys.executable, "-m", "control.supervision.daemon"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "RUN_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        daemons.append(daemon)
        return daemon

    yield start_daemon
    for daemon in daemons:
        with daemon:
            daemon.terminate()


def api(folder: Path, project: str, command: str) -> str:
    """The part of the configuration for a project whose slot is this command."""
    paths = RunDir(folder).api(project)
    paths.path.mkdir(parents=True)
    write_json(paths.project, {"name": project})
    return API.format(group=paths.group, command=command)


def log(folder: Path, project: str) -> list[str]:
    return last_lines(RunDir(folder).api(project).log, 100_000).splitlines()


def dropped(line: str) -> int:
    """How many lines were dropped, as this line says; 0 where it says nothing of it."""
    match = re.search(r"… ([\d,]+) lines? w\w+ dropped$", line)
    return int(match[1].replace(",", "")) if match else 0


def test_output_that_nobody_reads_holds_up_no_program_and_costs_only_itself(start: Start, folder: Path) -> None:
    daemon = start(30_000)
    (folder / "begin").touch()

    eventually((folder / "printed").exists, 10, "a program that has printed 3 MB")
    eventually(lambda: log(folder, "noisy")[-1:] == ["all of them"], 5, "the log of the API")
    assert len(log(folder, "noisy")) == 30_001
    (folder / "speak").touch()
    eventually(lambda: log(folder, "quiet") == ["I am quiet"], 5, "the log of the other")

    assert daemon.stdout
    printed, quiet = 0, False
    for line in daemon.stdout:
        printed += line.startswith("noisy/blue | 0") or line == "noisy/blue | all of them\n"
        quiet |= line == "quiet/blue | I am quiet\n"
        if count := dropped(line):
            break
    assert printed + count == 30_001
    assert printed > 5_000
    assert line.startswith("noisy/blue | … ")
    assert quiet


def test_output_that_nobody_has_any_more_costs_the_log_of_the_api_nothing(start: Start, folder: Path) -> None:
    daemon = start(1_000)
    assert daemon.stdout
    daemon.stdout.close()

    (folder / "begin").touch()

    eventually(lambda: log(folder, "noisy")[-1:] == ["all of them"], 5, "the log of the API")
    assert len(log(folder, "noisy")) == 1_001
    assert daemon.poll() is None


def test_a_log_that_cannot_be_written_costs_its_own_lines_which_are_counted(start: Start, folder: Path) -> None:
    daemon = start(2_000)
    assert daemon.stdout
    next(line for line in daemon.stdout if "spawned: 'noisy/blue'" in line)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    (folder / "begin").touch()
    for output in daemon.stdout:
        assert output.startswith(("noisy/blue | 0", "noisy/blue | all of them", "supervisord | INFO")), output
        if "all of them" in output:
            break
    eventually(lambda: RunDir(folder).api("noisy").log.stat().st_size == 50_000, 5, "a full disk")
    (folder / "speak").touch()
    eventually(lambda: log(folder, "quiet") == ["I am quiet"], 5, "the log of the other, which has room")

    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (folder / "end").touch()

    lines = eventually(lambda: (lines := log(folder, "noisy"))[-1:] == ["the end"] and lines, 5, "a log that goes on")
    assert sum(map(dropped, lines)) > 0
    complete = [line for line in lines if re.fullmatch(r"\d{9} x{89}|all of them", line)]
    assert len(complete) + sum(map(dropped, lines)) == 2_001
