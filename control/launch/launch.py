"""`python -m control`: checks the settings, prepares the run directory, executes the supervisor."""

import errno
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from control.config.run_dir import RunDir, api_address
from control.config.settings import ROOT, SettingError, Settings
from control.environments.shared import create_shared
from control.launch import credentials
from control.launch.configuration import prepare_run_dir
from control.launch.credentials import Credentials
from control.projects import bundled, catalog
from control.supervision.printer import Printer, write_to_stderr, write_to_stdout

MAX_NAMES = 10  # of projects in a warning
PRINT_TIMEOUT = 1.0  # seconds


def main() -> None:
    """Replace this process by the stack; print an invalid setting and exit with 1."""
    open_standard_streams()
    try:
        settings = resolve_body_dir(Settings.from_env())
        users = Credentials.from_env()
        check_nginx()
        check_port(settings)
        check_serve(settings)
        environment = child_environment(settings)
        prepare_run_dir(settings, users)
        environment |= prepare_notebooks(settings)
    except SettingError as error:
        say(f"error: {error}", write_to_stderr)
        sys.exit(1)
    say(banner(settings, users))
    # An exec and not a call: /proc shows the environment with which a process was started, and ours has
    # the passwords.
    os.chdir(ROOT)
    command = [*init_command(), sys.executable, "-m", "control.supervision.daemon"]
    os.execve(command[0], command, environment)  # noqa: S606


def open_standard_streams() -> None:
    """Open those of stdin, stdout and stderr that are closed: another file would get their number, and the output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def say(text: str, sink: Callable[[bytes, str], int] = write_to_stdout) -> None:
    """Print a text. What nobody takes within PRINT_TIMEOUT is dropped: the stack starts all the same."""
    printer = Printer(sink)
    printer.write(f"{text}\n")
    printer.drain(PRINT_TIMEOUT)


def init_command() -> list[str]:
    """In a container, tini as process 1: it forwards signals and reaps orphans.

    Not the image's entry point, as every process may read the environment of process 1.
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
            # As nginx does: a port with connections in TIME_WAIT is free.
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


def check_serve(settings: Settings) -> None:
    """Raise SettingError for a name that no project can have, and for two that would have one address."""
    projects: dict[str, str] = {}  # by address
    for name in catalog.names_in(settings.serve):
        if not catalog.is_valid_name(name):
            raise SettingError(f"SERVE has {name!r}: give names of projects, such as SERVE=hello_world,shop.")
        other = projects.setdefault(api_address(name), name)
        if other != name:
            raise SettingError(f"SERVE has {other} and {name}: both would be at {api_address(name)}. Give one of them.")


def resolve_body_dir(settings: Settings) -> Settings:
    """The settings, with a body_dir in the run directory where BODY_DIR is not writable, as a volume may be."""
    fallback = replace(settings, body_dir=RunDir(settings.run_dir).bodies)
    if settings == fallback:
        return settings
    try:
        settings.body_dir.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(settings.body_dir, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        reason = error.strerror
    if reason is None:
        return settings
    say(
        f"warning: BODY_DIR is {str(settings.body_dir)!r}: it cannot be written to ({reason}), so large requests "
        "wait in RUN_DIR."
    )
    return fallback


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of the programs: ours with the resolved settings, without the credentials."""
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


def prepare_notebooks(settings: Settings) -> dict[str, str]:
    """Copy new projects of the product to the notebooks; returns the variables for programs.

    What cannot be saved only gets a warning: it can be served.
    """
    folder, user = settings.notebook_dir, os.geteuid()
    try:
        if settings.shipped_dir:
            bundled.copy_new(settings.shipped_dir, folder)
        problem = describe_read_only_projects(folder)
    except OSError as error:
        problem = f"user {user} cannot write there ({error.strerror}), so nobody can save a notebook"
    if problem:
        remedy = f"run as root: chown -R {user} {shlex.quote(str(folder))}"
        say(f"warning: NOTEBOOK_DIR is {str(folder)!r}: {problem}. If that is not meant, {remedy}")
    return prepare_home(settings)


def describe_read_only_projects(folder: Path) -> str | None:
    """Which projects cannot be saved, as those that another user has created; None without any. Raises OSError."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    projects = [project for project in catalog.find_all(folder) if project.is_read_only]
    if not projects:
        return None
    owners = ", ".join(sorted({str(project.notebook.stat().st_uid) for project in projects}))
    names = ", ".join(project.name for project in projects[:MAX_NAMES])
    more = f" and {len(projects) - MAX_NAMES} more" if len(projects) > MAX_NAMES else ""
    return (
        f"user {os.geteuid()} cannot save the notebooks of these projects, which belong to user {owners}: {names}{more}"
    )


def prepare_home(settings: Settings) -> dict[str, str]:
    """Prepare HOME_DIR, if there is one, and the kernels' environment; returns the variables for programs.

    With a warning if it cannot be written to: then one in the run directory takes its place.
    """
    home = settings.home_dir
    if not create_shared(settings):
        name, folder = ("HOME_DIR", home) if home else ("NOTEBOOK_DIR", settings.notebook_dir)
        say(
            f"warning: {name} is {str(folder)!r}: user {os.geteuid()} cannot write there, so packages "
            "that a notebook installs are gone after the next start."
        )
        home = home and settings.run_dir / "home"
    return {"HOME": str(home)} if home else {}


def banner(settings: Settings, users: Credentials) -> str:
    """The address and the users to log in as; the password is in it only if it was generated."""
    host = "localhost" if settings.bind_address == "0.0.0.0" else settings.bind_address  # noqa: S104
    lines = [f"address   http://{host}:{settings.port}/", f"user      {users.owner.name}"]
    if users.generated:
        lines.append(f"password  {users.owner.password}   (new at each start; NOTEBOOK_PASSWORD sets your own)")
    if users.api:
        lines.append(f"API user  {users.api.name}   (opens /invoke/, /apis/ and /mcp alone)")
    width = max(map(len, lines))
    return "\n".join(["", "=" * width, *lines, "=" * width, ""])
