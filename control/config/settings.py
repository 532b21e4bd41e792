"""Every setting of the product, read from the environment and validated."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from control.config.run_dir import RunDir

ROOT = Path(__file__).resolve().parents[2]

SOCKET_PATH_LIMIT = 107  # bytes; sun_path of unix(7) holds 108 with its closing NUL
# A kernel's, as jupyter_client names it with the transport "ipc".
LONGEST_SOCKET = "jupyter/kernel-01234567-89ab-cdef-0123-456789abcdef-ipc-5"


class SettingError(Exception):
    """An invalid setting. Its text is one line: the name, the value, what to do."""


@dataclass(frozen=True)
class Settings:
    """The settings of all programs of the stack; no secrets."""

    port: int
    bind_address: str
    notebook_dir: Path
    shipped_dir: Path | None
    home_dir: Path | None
    run_dir: Path
    body_dir: Path
    serve: str | None
    reload: bool
    kernels: int
    request_timeout: int  # seconds
    start_timeout: int  # seconds
    install_timeout: int  # seconds
    queue_limit: int
    max_body_mb: int
    large_body_limit: int
    max_output_mb: int
    show_tracebacks: bool
    cors_origins: tuple[str, ...]
    trust_pages: bool
    trusted_proxies: tuple[str, ...]
    allow_broken_endpoints: bool
    inspect: bool
    build_version: str
    build_revision: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; raises SettingError for the first that is invalid."""
        return cls(
            port=whole_number(environ, "PORT", 8080, 1, 65535),
            bind_address=environ.get("BIND_ADDRESS") or "127.0.0.1",
            notebook_dir=folder(environ, "NOTEBOOK_DIR", ROOT / "notebook"),
            shipped_dir=folder(environ, "SHIPPED_DIR") if environ.get("SHIPPED_DIR") else None,
            home_dir=Path(environ["HOME_DIR"]).absolute() if environ.get("HOME_DIR") else None,
            run_dir=run_dir(environ),
            body_dir=plain_path("BODY_DIR", environ.get("BODY_DIR") or RunDir(run_dir(environ)).bodies),
            serve=environ.get("SERVE") or None,
            reload=switch(environ, "RELOAD"),
            install_timeout=whole_number(environ, "INSTALL_TIMEOUT", 600, 1, 86_400),
            max_body_mb=whole_number(environ, "MAX_BODY_MB", 100, 1, 100_000),
            large_body_limit=whole_number(environ, "LARGE_BODY_LIMIT", 8, 1, 1000),
            max_output_mb=whole_number(environ, "MAX_OUTPUT_MB", 10, 1, 100_000),
            cors_origins=origins(environ, "CORS_ORIGINS"),
            trust_pages=switch(environ, "TRUST_PAGES"),
            trusted_proxies=networks(environ, "TRUSTED_PROXIES"),
            inspect=switch(environ, "INSPECT", default="1"),
            build_version=environ.get("BUILD_VERSION") or "unknown",
            build_revision=environ.get("BUILD_REVISION") or "unknown",
            **{name: read(environ, name.upper()) for name, read in PER_PROJECT.items()},
        )

    def to_env(self) -> dict[str, str]:
        """The resolved settings as environment variables, for the other programs of the stack."""
        values = {name.upper(): getattr(self, name) for name in self.__dataclass_fields__}
        return {name: _as_text(value) for name, value in values.items() if value is not None}


def whole_number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """The variable as an int between low and high; unset or empty is the default."""
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise SettingError(f"{name} is {text!r}: give a whole number from {low} to {high}.")
    return int(text)


def switch(environ: Mapping[str, str], name: str, default: str = "0") -> bool:
    """The variable as on (1) or off (0); unset or empty is the default."""
    text = environ.get(name) or default
    if text not in {"0", "1", "false", "true"}:
        raise SettingError(f"{name} is {text!r}: give 1 for on or 0 for off.")
    return text in {"1", "true"}


# The settings that a project may have of its own (control/projects/own_settings.py): how each is read, by its name in
# the environment or in the project's file. The others are those of programs that serve all projects.
PER_PROJECT: dict[str, Callable[[Mapping[str, str], str], Any]] = {
    "kernels": partial(whole_number, default=1, low=1, high=64),
    "request_timeout": partial(whole_number, default=60, low=1, high=86_400),
    "start_timeout": partial(whole_number, default=60, low=1, high=86_400),
    "queue_limit": partial(whole_number, default=100, low=1, high=4096),
    "show_tracebacks": switch,
    "allow_broken_endpoints": switch,
}


def origins(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The variable as web origins, separated by spaces or commas: `https://a.example`, or `*` for all."""
    values = tuple(environ.get(name, "").replace(",", " ").split())
    for origin in values:
        if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+", origin):
            raise SettingError(f"{name} has {origin!r}: give origins such as https://app.example, or *.")
    return values


def networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The variable as IP addresses and networks, separated by spaces or commas: `172.16.0.0/12`."""
    values = environ.get(name, "").replace(",", " ").split()
    try:
        return tuple(str(ipaddress.ip_network(value, strict=False)) for value in values)
    except ValueError as error:
        raise SettingError(
            f"{name} is {environ[name]!r}: give addresses of proxies, or networks such as 172.16.0.0/12 ({error})."
        ) from None


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def folder(environ: Mapping[str, str], name: str, default: Path | str = "") -> Path:
    """The variable as the absolute path of a folder that exists and can be read."""
    path = Path(environ.get(name) or default).absolute()
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        raise SettingError(f"{name} is {str(path)!r}: give a folder that exists and can be read.")
    return path


def plain_path(name: str, text: Path | str) -> Path:
    """An absolute path that needs no quoting in configuration files."""
    path = Path(text).absolute()
    if not re.fullmatch(r"[\w./+@-]+", str(path), re.ASCII):
        raise SettingError(
            f"{name} is {str(path)!r}: give a path of letters, digits and . _ - + @ only, "
            f"such as {name}=/tmp/notebook-api."
        )
    return path


def run_dir(environ: Mapping[str, str]) -> Path:
    """RUN_DIR as an absolute path, short enough for the sockets in it."""
    path = plain_path("RUN_DIR", environ.get("RUN_DIR") or ROOT / ".run")
    if len(str(path / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
        raise SettingError(
            f"RUN_DIR is {str(path)!r}, too long for the sockets in it: give a path of at most "
            f"{SOCKET_PATH_LIMIT - len(LONGEST_SOCKET) - 1} characters, such as RUN_DIR=/tmp/notebook-api."
        )
    return path
