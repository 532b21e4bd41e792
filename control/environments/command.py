"""Runs a command whose lines are printed as they come."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from control.logs.lines import LineBuffer

POLL = 0.1  # seconds
CHUNK = 65_536  # bytes


def run(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environ: Mapping[str, str],
    inherit: int,
    timeout: float,
    say: Callable[[str], None],
    check: Callable[[], None],
) -> int:
    """Run a command in `folder`, with the open file `inherit`; returns its exit status.

    `say` gets each line of its output, `check` is called again and again. TimeoutError after `timeout` seconds, or what
    `check` raises: the command is killed then, with all that it has started. OSError: it cannot be started.
    """
    deadline = time.monotonic() + timeout
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[inherit],
    )
    try:
        with cast("IO[bytes]", process.stdout) as output:
            _follow(output, process, deadline, say, check)
        return process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _follow(
    output: IO[bytes],
    process: subprocess.Popen[bytes],
    deadline: float,
    say: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    """Return at the end of the output: of the process itself, whatever it leaves behind."""
    lines = LineBuffer()
    while True:
        has_ended = process.poll() is not None
        if select.select([output], [], [], 0 if has_ended else POLL)[0]:
            data = os.read(output.fileno(), CHUNK)
            for line in lines.feed(data):
                say(line)
            has_ended = not data
        if has_ended:
            break
        check()
        if time.monotonic() > deadline:
            raise TimeoutError
    if line := lines.flush():
        say(line)
