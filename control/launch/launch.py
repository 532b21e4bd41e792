"""`python -m control`: check the settings, render the run directory, become the supervisor."""

import errno
import fcntl
import os
import pwd
import resource
import secrets
import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from control.config.run_dir import SLOTS, RunDir
from control.config.settings import ROOT, SettingError, Settings
from control.launch import credentials, kernel_env
from control.launch.credentials import Credentials
from control.projects import bundled

LOCK = ".lock"
CONNECTIONS = 8192  # of nginx, where the system allows as many descriptors


def main() -> None:
    """Start the stack in this process's place; on a bad setting say which and exit with 1."""
    try:
        settings = with_body_dir(Settings.from_env())
        users = Credentials.from_env()
        check_nginx()
        check_port(settings)
        environment = child_environment(settings)
        prepare(settings, users)
        environment |= prepare_notebooks(settings)
    except SettingError as error:
        sys.exit(f"error: {error}")
    print(welcome(settings, users), flush=True)
    # A fresh exec, not a call: /proc shows a process the environment it was started with, and ours has
    # the passwords in it.
    os.chdir(ROOT)
    command = [*init(), sys.executable, "-m", "control.supervision.daemon"]
    os.execve(command[0], command, environment)  # noqa: S606


def init() -> list[str]:
    """In a container, what stays process 1 there: it hands signals on and reaps what others leave behind.

    It is started here, not before us, because every process may read the environment of process 1.
    """
    tini = shutil.which("tini") if os.getpid() == 1 else None
    return [tini, "--"] if tini else []


def check_nginx() -> None:
    """Raise SettingError where nginx is not installed."""
    if not shutil.which("nginx", path=child_path()):
        raise SettingError("nginx is not installed: run `apt-get install nginx-light` as root.")


def check_port(settings: Settings) -> None:
    """Raise SettingError unless nginx will be able to listen."""
    try:
        with socket.socket() as probe:
            # nginx sets it too: a port with connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.bind_address, settings.port))
    except OSError as error:
        port, address = settings.port, settings.bind_address
        if error.errno == errno.EADDRINUSE:
            reason = f"PORT is {port} on {address}: it is taken. Give a free one, such as PORT={port % 65535 + 1}."
        elif error.errno == errno.EACCES:
            reason = f"PORT is {port}: ports below 1024 take root. Give one such as PORT=8080."
        else:
            reason = (
                f"BIND_ADDRESS is {address!r}: it cannot be used ({error.strerror}). Give an IPv4 address of this "
                "machine, 127.0.0.1, or 0.0.0.0 for all of them."
            )
        raise SettingError(reason) from None


def with_body_dir(settings: Settings) -> Settings:
    """The settings, with a folder in the run directory where BODY_DIR cannot be used: a volume may be read-only."""
    inside = replace(settings, body_dir=RunDir(settings.run_dir).bodies)
    if settings == inside:
        return settings
    try:
        settings.body_dir.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(settings.body_dir, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        reason = error.strerror
    if reason is None:
        return settings
    where = f"BODY_DIR is {str(settings.body_dir)!r}: it cannot be written to ({reason})"
    print(f"warning: {where}, so large requests wait in RUN_DIR.", flush=True)
    return inside


def child_environment(settings: Settings) -> dict[str, str]:
    """What the programs inherit: everything but the credentials, with the settings resolved."""
    inherited = {name: value for name, value in os.environ.items() if name not in credentials.VARIABLES}
    return {
        **inherited,
        **settings.to_env(),
        "PATH": child_path(),
        "JUPYTER_RUNTIME_DIR": str(settings.run_dir / "jupyter"),
        "PYTHONUNBUFFERED": "1",
    }


def child_path() -> str:
    """PATH with this Python's programs first, and /usr/sbin, where Debian keeps nginx, at its end."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin"


def prepare(settings: Settings, users: Credentials) -> None:
    """Make the run directory, private and free of what an earlier run left, and render into it."""
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        refuse_foreign(settings.run_dir)
        settings.run_dir.chmod(0o700)
        lock(settings.run_dir)
        for left in settings.run_dir.iterdir():
            if left.name == LOCK:
                continue
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        for name in ("nginx", "jupyter", "limited", *SLOTS):
            (settings.run_dir / name).mkdir()
        settings.body_dir.mkdir(exist_ok=True)
        render(settings, users)
    except OSError as error:
        raise SettingError(
            f"RUN_DIR is {str(settings.run_dir)!r}: it cannot be used ({error.strerror}). Give a folder of your own."
        ) from None


def prepare_notebooks(settings: Settings) -> dict[str, str]:
    """Add what is new in the product to the notebooks; returns the variables that kernels need.

    A folder that cannot be written to can still be served from, so that it only gets a warning.
    """
    if settings.shipped_dir:
        try:
            bundled.copy_new(settings.shipped_dir, settings.notebook_dir)
        except OSError as error:
            print(
                f"warning: NOTEBOOK_DIR is {str(settings.notebook_dir)!r}: user {os.geteuid()} cannot write "
                f"there ({error.strerror}), so nobody can save a notebook. If that is not meant, run: "
                f"chown -R {os.geteuid()} on that folder.",
                flush=True,
            )
    return kernel_env.prepare(settings.home_dir, settings.run_dir) if settings.home_dir else {}


def refuse_foreign(run_dir: Path) -> None:
    """Raise SettingError for a folder that no stack has used before and that is not empty: a start empties it."""
    if not (run_dir / LOCK).exists() and any(run_dir.iterdir()):
        raise SettingError(f"RUN_DIR is {str(run_dir)!r}: it holds files that are not ours. Give an empty folder.")


def lock(run_dir: Path) -> None:
    """Keep other stacks out of this run directory for as long as this one lives; raises SettingError.

    The descriptor is left open on purpose, through the exec: supervisord holds the lock by holding it.
    """
    held = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(held, True)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingError(
            f"RUN_DIR is {str(run_dir)!r}: another stack runs there. Stop it, or give another folder."
        ) from None


def render(settings: Settings, users: Credentials) -> None:
    """Write the password files and the configuration of nginx and supervisord."""
    run = RunDir(settings.run_dir)
    owner = users.owner.htpasswd_line()
    private_text(run.path / "htpasswd", owner)
    private_text(run.path / "htpasswd-api", owner + (users.api.htpasswd_line() if users.api else ""))
    templates = Environment(
        loader=FileSystemLoader(ROOT / "conf"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 these are not HTML; RUN_DIR, the only text put in, is checked
    )
    names = {
        "settings": settings,
        "run": run,
        "root": ROOT,
        "python": sys.executable,
        "user": root_user(),
        "connections": connections(),
        "login_token": secrets.token_urlsafe(32),
    }
    for target in (run.nginx_conf, run.supervisord_conf):
        private_text(target, templates.get_template(f"{target.name}.j2").render(names))


def connections() -> int:
    """How many connections nginx may have: each takes a descriptor, and some are left for files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if most == resource.RLIM_INFINITY else min(CONNECTIONS, most // 2)


def root_user() -> str | None:
    """The user's name where that is root: nginx would give its workers to somebody who may not enter."""
    return pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None


def private_text(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def welcome(settings: Settings, users: Credentials) -> str:
    """The block that tells a person where to go; the password is in it only where it was made up."""
    host = "localhost" if settings.bind_address == "0.0.0.0" else settings.bind_address  # noqa: S104
    lines = [f"address   http://{host}:{settings.port}/", f"user      {users.owner.name}"]
    if users.generated:
        lines.append(f"password  {users.owner.password}   (new at each start; NOTEBOOK_PASSWORD sets your own)")
    if users.api:
        lines.append(f"API user  {users.api.name}   (opens /invoke/ alone)")
    width = max(map(len, lines))
    return "\n".join(["", "=" * width, *lines, "=" * width, ""])
