"""Creates the run directory, with the configuration of nginx and supervisord and the password files in it."""

import fcntl
import os
import pwd
import resource
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from control.config.run_dir import RunDir
from control.config.settings import ROOT, SettingError, Settings
from control.launch.credentials import Credentials

LOCK_FILE = ".lock"
# Of nginx, where the system allows as many descriptors. A request takes two, also in a queue: 20 APIs with full queues
# of 100 take 4,040.
MAX_CONNECTIONS = 8192


def prepare_run_dir(settings: Settings, users: Credentials) -> None:
    """Create the run directory, or empty that of an earlier run, and render the configuration into it."""
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        check_ownership(settings.run_dir)
        settings.run_dir.chmod(0o700)
        lock(settings.run_dir)
        for path in settings.run_dir.iterdir():
            if path.name != LOCK_FILE:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name in ("nginx", "jupyter", "limited", "slots", "apis"):
            (settings.run_dir / name).mkdir()
        settings.body_dir.mkdir(exist_ok=True)
        render(settings, users)
    except OSError as error:
        raise SettingError(
            f"RUN_DIR is {str(settings.run_dir)!r}: it cannot be used ({error.strerror}). Give a folder of your own."
        ) from None


def check_ownership(run_dir: Path) -> None:
    """Raise SettingError for a folder that has files but was not a stack's: a start empties it."""
    if not (run_dir / LOCK_FILE).exists() and any(run_dir.iterdir()):
        raise SettingError(f"RUN_DIR is {str(run_dir)!r}: it holds files that are not ours. Give an empty folder.")


def lock(run_dir: Path) -> None:
    """Keep other stacks out of this run directory for the life of this one; raises SettingError.

    The descriptor stays open across the exec on purpose: supervisord holds the lock with it.
    """
    descriptor = os.open(run_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingError(f"RUN_DIR is {str(run_dir)!r}: another stack runs there. Give another folder.") from None


def render(settings: Settings, users: Credentials) -> None:
    """Write the password files and the configuration of nginx and supervisord."""
    run = RunDir(settings.run_dir)
    owner = users.owner.htpasswd_line()
    write_private(run.path / "htpasswd", owner)
    write_private(run.path / "htpasswd-api", owner + (users.api.htpasswd_line() if users.api else ""))
    variables = {
        "settings": settings,
        "run": run,
        "root": ROOT,
        "python": sys.executable,
        # Else nginx would run its workers as a user who cannot enter root's run directory.
        "user": pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        "connections": max_connections(),
        "login_token": secrets.token_urlsafe(32),
    }
    for target in (run.nginx_conf, run.supervisord_conf):
        write_private(target, render_template(f"{target.name}.j2", variables))


def render_template(name: str, variables: Mapping[str, object]) -> str:
    """A configuration file from its template in `conf/`."""
    templates = Environment(
        loader=FileSystemLoader(ROOT / "conf"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 not HTML; RUN_DIR, the only text inserted, is validated
    )
    return templates.get_template(name).render(variables)


def max_connections() -> int:
    """The limit for nginx's connections: half of the descriptors, as files take some too."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if limit == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, limit // 2)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
