"""Programs that a connection starts, with supervisord alone and a program of this test's own."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.stack import ROOT
from tests.support.waiting import eventually

# Sends its process id to each of `count` callers, and ends; with a file `broken`, it fails after a moment.
PROGRAM = """
import os, pathlib, socket, sys, time
if pathlib.Path("{folder}/broken").exists():
    sys.exit("error: broken")
listener = socket.socket(fileno=0)
for _ in range({count}):
    connection, _ = listener.accept()
    with connection:
        connection.sendall(str(os.getpid()).encode())
"""
CONFIGURATION = """
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/pid
[group:gateway]
programs=blue
[program:blue]
command=sleep 60
[fcgi-program:tools]
socket=unix://{folder}/tools.sock
command={python} {folder}/program.py
autostart=false
autorestart=false
startsecs=0
startretries=0
exitcodes=0
redirect_stderr=true
stdout_logfile=NONE
stdout_events_enabled=true
"""
COUNT = 4


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The run directory of a supervisord that runs, with the program behind `tools.sock`."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:  # socket paths are short
        folder = Path(path)
        (folder / "program.py").write_text(PROGRAM.format(folder=folder, count=COUNT))
        (folder / "supervisord.conf").write_text(CONFIGURATION.format(folder=folder, python=sys.executable))
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [sys.executable, "-m", "control.supervision.daemon"],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "RUN_DIR": path},
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as daemon,
        ):
            eventually(lambda: "spawned: 'blue'" in read_log(folder), 10, "supervisord")
            yield folder
            assert daemon.poll() is None
            daemon.terminate()


def read_log(folder: Path) -> str:
    return (folder / "log").read_text()


def ask(folder: Path) -> int:
    """The process that answers; 0 if the connection is closed without an answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(folder / "tools.sock"))
        try:
            return int(client.recv(100) or 0)
        except ConnectionResetError:
            return 0


def test_nothing_runs_until_somebody_connects_and_then_all_are_answered(folder: Path) -> None:
    assert "spawned: 'tools'" not in read_log(folder)

    with ThreadPoolExecutor(COUNT) as pool:
        processes = set(pool.map(lambda _: ask(folder), range(COUNT)))

    assert len(processes) == 1
    assert processes != {0}


def test_one_that_has_ended_is_started_again_and_nobody_is_turned_away_in_between(folder: Path) -> None:
    processes = [ask(folder) for _ in range(3 * COUNT)]

    assert len(set(processes)) in (3, 4)
    assert 0 not in processes


def test_one_that_fails_answers_nobody_until_it_can_and_ends_nothing_else(folder: Path) -> None:
    (folder / "broken").touch()
    assert [ask(folder) for _ in range(6)] == [0] * 6
    assert "tools | error: broken" in read_log(folder)

    (folder / "broken").unlink()
    eventually(lambda: ask(folder), 10, "an answer")
