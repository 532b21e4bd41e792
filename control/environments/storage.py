"""Environments of projects on the disk: which are whole, who may make one, in which something runs."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import distributions
from pathlib import Path

from control.environments.environment import PRODUCT, Environment

LOCK_FILE = ".lock"
# Written last, so an environment without it is not whole: a folder cannot be renamed when it is, as scripts have its
# path. It has what was resolved: `name==version` of every package that the environment's kernels can import.
RESOLVED = "packages.txt"
POLL = 0.1  # seconds


def is_whole(environment: Environment) -> bool:
    return (environment.path / RESOLVED).exists() and environment.python.exists()


def write_resolved(environment: Environment) -> None:
    path = [str(environment.site_packages), str(PRODUCT)]
    packages: dict[str, str] = {}
    for distribution in distributions(path=path):  # the first of a name is the one that is imported
        packages.setdefault(distribution.name, distribution.version)
    partial = environment.path / f".{RESOLVED}.partial"
    partial.write_text("".join(f"{name}=={packages[name]}\n" for name in sorted(packages, key=str.lower)))
    partial.replace(environment.path / RESOLVED)


def clear(folder: Path) -> None:
    """Remove all but the lock, as far as that is possible: first what would make the rest look whole."""
    with suppress(OSError):
        (folder / RESOLVED).unlink(missing_ok=True)
        for path in folder.iterdir():
            if path.name != LOCK_FILE:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def lock(folder: Path, deadline: float, check: Callable[[], None]) -> Iterator[int]:
    """Exclude others who make this environment; raises OSError, TimeoutError, and what `check` raises."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            check()
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def find_running(folders: set[Path]) -> set[Path]:
    """Those with a process whose command line names a file in them, as kernels' and installers' do."""
    commands = b"\n".join(filter(None, map(_read_command, Path("/proc").glob("[0-9]*"))))
    return {folder for folder in folders if os.fsencode(folder) + b"/" in commands}


def _read_command(process: Path) -> bytes | None:
    with suppress(OSError):
        return (process / "cmdline").read_bytes()
    return None
