"""Starts the processes of kernels; the first one loads ipykernel while the gateway itself still loads.

In sequence both would take twice as long, so this module imports little, and `prepare` is called before other imports.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

# Names of variables that Python, the C library and the loader read when a process starts, and not again.
AT_PROCESS_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_")
IMPORT_TIMEOUT = 30  # seconds
MAIN = Path(__file__).parents[1] / "worker" / "ipykernel_main.py"

_spare: subprocess.Popen[bytes] | None = None
_spare_until = 0.0  # seconds of time.monotonic


def prepare(environ: Mapping[str, str] = os.environ) -> None:
    """Start a spare process, in the interpreter of the kernel `python3`, for the first `launch`."""
    global _spare
    _spare = _start(_find_python(environ), environ)


def launch(command: Sequence[str], cwd: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run the command of an ipykernel's spec: `python … -m ipykernel_launcher …`."""
    global _spare
    process, _spare = _spare, None
    if process and (process.poll() is not None or process.args[0] != command[0] or _needs_new_process(environ)):  # type: ignore[index]
        _end(process)
        process = None
    process = process or _start(command[0], environ, cwd)
    argv = command[command.index("ipykernel_launcher") :]
    task = {"argv": argv, "cwd": cwd, "environ": {**environ, **_parent_variable()}}
    with cast("BinaryIO", process.stdin) as pipe:
        pipe.write(json.dumps(task).encode())
    if time.monotonic() < _spare_until:
        prepare()
    return process


def find_error(environ: Mapping[str, str] = os.environ) -> str | None:
    """Why a kernel cannot even import what it needs, as where its packages were replaced; None if it can."""
    command = [_find_python(environ), str(MAIN)]
    try:  # without a task it ends once it has imported
        process = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=IMPORT_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = process.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
    return lines[-1] if process.returncode else None


def keep_spare(seconds: float) -> None:
    """For this time, have a spare process for each `launch`: kernels end one after the other."""
    global _spare_until
    _spare_until = time.monotonic() + seconds


def discard_late() -> None:
    """End the spare process if its time is over."""
    if time.monotonic() >= _spare_until:
        discard()


def discard() -> None:
    """End the spare process."""
    global _spare
    if _spare:
        _end(_spare)
        _spare = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _needs_new_process(environ: Mapping[str, str]) -> bool:
    """Whether the spare process, which has our environment, was started with values that cannot be changed."""
    return any(
        name.startswith(AT_PROCESS_START) and environ.get(name) != os.environ.get(name)
        for name in {*environ, *os.environ}
    )


def _start(python: str, environ: Mapping[str, str], cwd: str | None = None) -> subprocess.Popen[bytes]:
    # As jupyter_client, in a session of its own, so that an interrupt reaches programs that a cell has started.
    command, environ = [python, str(MAIN)], {**environ, **_parent_variable()}
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environ, cwd=cwd, start_new_session=True)


def _parent_variable() -> dict[str, str]:
    """ipykernel reads at its import which process it must not outlive."""
    return {"JPY_PARENT_PID": str(os.getpid())}


def _find_python(environ: Mapping[str, str]) -> str:
    """The interpreter in the kernel spec below JUPYTER_PATH (control/environments/environment.py), else our own."""
    for folder in filter(None, environ.get("JUPYTER_PATH", "").split(os.pathsep)):
        spec = Path(folder, "kernels", "python3", "kernel.json")
        if spec.exists():
            return str(json.loads(spec.read_text(encoding="utf-8"))["argv"][0])
    return sys.executable
