"""The processes that kernels run in: the first one loads what a kernel needs while the gateway itself still loads.

One after the other would take twice as long, so this module imports little, and `prepare` is called before the rest.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

MAIN = Path(__file__).parents[1] / "worker" / "ipykernel_main.py"

_prepared: subprocess.Popen[bytes] | None = None


def prepare(environ: Mapping[str, str] = os.environ) -> None:
    """Start a process in the interpreter that the kernel `python3` runs in, for the first `launch`."""
    global _prepared
    _prepared = _start(_likely_python(environ), environ)


def launch(command: Sequence[str], cwd: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run what the kernel spec of an ipykernel says: `python … -m ipykernel_launcher …`."""
    global _prepared
    process, _prepared = _prepared, None
    if process and process.args[0] != command[0]:  # type: ignore[index]
        _end(process)
        process = None
    process = process or _start(command[0], environ)
    argv = command[command.index("ipykernel_launcher") :]
    task = {"argv": argv, "cwd": cwd, "environ": {**environ, **_parent()}}
    with cast("BinaryIO", process.stdin) as pipe:
        pipe.write(json.dumps(task).encode())
    return process


def discard() -> None:
    """End what was prepared: the notebook is in another language."""
    global _prepared
    if _prepared:
        _end(_prepared)
        _prepared = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _start(python: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # As jupyter_client does: in a session of its own, so that an interrupt reaches what a cell has started.
    command, environ = [python, str(MAIN)], {**environ, **_parent()}
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environ, start_new_session=True)


def _parent() -> dict[str, str]:
    """What tells an ipykernel, when it is imported, whose end is its own."""
    return {"JPY_PARENT_PID": str(os.getpid())}


def _likely_python(environ: Mapping[str, str]) -> str:
    """The first word of the kernel spec that JUPYTER_PATH leads to (control/launch/kernel_env.py), else our own."""
    for folder in filter(None, environ.get("JUPYTER_PATH", "").split(os.pathsep)):
        spec = Path(folder, "kernels", "python3", "kernel.json")
        if spec.exists():
            return str(json.loads(spec.read_text(encoding="utf-8"))["argv"][0])
    return sys.executable
