"""supervisord with a program that prints much, while its output cannot be written: the program goes on."""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
[group:gateway]
programs=blue
[program:blue]
command={python} {folder}/program.py {folder} {count}
redirect_stderr=true
stdout_logfile=NONE
stdout_events_enabled=true
"""
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
        (folder / "supervisord.conf").write_text(
            CONFIGURATION.format(folder=folder, python=sys.executable, count=count)
        )
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


def log(folder: Path) -> list[str]:
    path = folder / "api.log"
    return path.read_text().splitlines() if path.exists() else []


def dropped(line: str) -> int:
    """How many lines were dropped, as this line says; 0 where it says nothing of it."""
    match = re.search(r"… ([\d,]+) lines? w\w+ dropped$", line)
    return int(match[1].replace(",", "")) if match else 0


def test_output_that_nobody_reads_holds_up_no_program_and_costs_only_itself(start: Start, folder: Path) -> None:
    daemon = start(30_000)
    (folder / "begin").touch()

    eventually((folder / "printed").exists, 10, "a program that has printed 3 MB")
    eventually(lambda: log(folder)[-1:] == ["all of them"], 5, "the log of the API")
    assert len(log(folder)) == 30_001

    assert daemon.stdout
    printed = 0
    for line in daemon.stdout:
        printed += line.startswith("blue | ")
        if count := dropped(line):
            break
    # Besides, supervisord may have had something to say.
    assert 30_001 <= printed + count <= 30_005


def test_output_that_nobody_has_any_more_costs_the_log_of_the_api_nothing(start: Start, folder: Path) -> None:
    daemon = start(1_000)
    assert daemon.stdout
    daemon.stdout.close()

    (folder / "begin").touch()

    eventually(lambda: log(folder)[-1:] == ["all of them"], 5, "the log of the API")
    assert len(log(folder)) == 1_001
    assert daemon.poll() is None


def test_a_log_that_cannot_be_written_costs_its_own_lines_which_are_counted(start: Start, folder: Path) -> None:
    daemon = start(2_000)
    assert daemon.stdout
    next(line for line in daemon.stdout if "spawned: 'blue'" in line)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    (folder / "begin").touch()
    for output in daemon.stdout:
        assert output.startswith(("blue | 0", "blue | all of them", "supervisord | INFO")), output
        if "all of them" in output:
            break
    eventually(lambda: (folder / "api.log").stat().st_size == 50_000, 5, "a full disk")

    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (folder / "end").touch()

    lines = eventually(lambda: log(folder)[-1:] == ["the end"] and log(folder), 5, "a log that goes on")
    assert sum(map(dropped, lines)) > 0
    complete = [line for line in lines if re.fullmatch(r"\d{9} x{89}|all of them", line)]
    assert len(complete) + sum(map(dropped, lines)) == 2_001
