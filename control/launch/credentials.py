"""The two users who may log in: reads their passwords, and hashes them for nginx."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from control.config.settings import SettingError

# Where Hasura mounts a connector's configuration: {"password": "…"}.
CONNECTOR_CONFIG = Path("/etc/connector/config.json")
MIN_LENGTH = 8
VARIABLES = (
    "NOTEBOOK_USER",
    "NOTEBOOK_PASSWORD",
    "NOTEBOOK_PASSWORD_FILE",
    "API_USER",
    "API_PASSWORD",
    "API_PASSWORD_FILE",
)


@dataclass(frozen=True)
class User:
    """A name and its password, which is in no repr."""

    name: str
    password: str = field(repr=False)

    def htpasswd_line(self) -> str:
        """The user's line in a password file, as `{SSHA}`.

        nginx checks it on every request. A slow hash would cost nearly all of the throughput, and protects
        nothing here: processes of the same user have the plain password.
        """
        salt = os.urandom(16)
        digest = hashlib.sha1(self.password.encode() + salt, usedforsecurity=False).digest()
        return f"{self.name}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n"


@dataclass(frozen=True)
class Credentials:
    """Who may log in: `owner` everywhere, `api` (optional) only to `/invoke/`."""

    owner: User
    api: User | None
    generated: bool  # whether the owner's password is new at this start

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, connector: Path = CONNECTOR_CONFIG) -> "Credentials":
        """Read both users; raises SettingError for the first invalid value."""
        name = read_user_name(environ, "NOTEBOOK_USER") or "hasura"
        password = read_password(environ, "NOTEBOOK_PASSWORD") or read_connector_password(connector)
        owner = User(name, password or secrets.token_urlsafe(16))
        return cls(owner, read_api_user(environ, owner), generated=password is None)


def read_user_name(environ: Mapping[str, str], variable: str) -> str | None:
    """A user name, where the variable is set; raises SettingError for one that nobody could log in with."""
    name = environ.get(variable)
    if name and (":" in name or not name.isprintable()):
        raise SettingError(f"{variable} is {name!r}: give a name without ':' and control characters.")
    # https://nginx.org/en/docs/http/ngx_http_auth_basic_module.html: such a line is a comment.
    if name and name.startswith("#"):
        raise SettingError(f"{variable} is {name!r}: give a name that does not begin with '#'.")
    if name and name != name.strip():
        raise SettingError(f"{variable} is {name!r}: give a name without spaces around it.")
    return name or None


def read_api_user(environ: Mapping[str, str], owner: User) -> User | None:
    """The second user, where one is configured."""
    name = read_user_name(environ, "API_USER")
    password = read_password(environ, "API_PASSWORD")
    if name is None and password is None:
        return None
    if name is None or password is None:
        missing = "API_USER" if name is None else "API_PASSWORD"
        raise SettingError(f"{missing} is not set: give both API_USER and API_PASSWORD, or neither.")
    if name == owner.name:
        raise SettingError(f"API_USER is {name!r}, the same as NOTEBOOK_USER: give it a name of its own.")
    return User(name, password)


def read_password(environ: Mapping[str, str], variable: str) -> str | None:
    """The password in `variable` or in the file that `variable`_FILE names; None where neither is set."""
    value, file = environ.get(variable), environ.get(f"{variable}_FILE")
    if value and file:
        raise SettingError(f"{variable} and {variable}_FILE are both set: keep one of them.")
    if value:
        return validate_password(value, variable)
    if file:
        # Editors and `echo` end a file with a newline that is not part of the password.
        return validate_password(read_text(Path(file), f"{variable}_FILE").rstrip("\r\n"), f"{variable}_FILE {file!r}")
    return None


def read_connector_password(path: Path) -> str | None:
    """The password in a connector's JSON configuration; None where there is no such file."""
    if not path.exists():
        return None
    try:
        value = json.loads(read_text(path, "The password file"))["password"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SettingError(f'{path} is not of the form {{"password": "…"}}: write it so.') from None
    if not isinstance(value, str):
        raise SettingError(f'{path}: "password" is not text: give it in quotes.')
    return validate_password(value, str(path))


def read_text(path: Path, what: str) -> str:
    """The text of a file; raises SettingError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingError(f"{what} is {str(path)!r}: it cannot be read ({reason}).") from None


def validate_password(value: str, source: str) -> str:
    """The password; raises SettingError for one that cannot be used, without it in the message."""
    if len(value) < MIN_LENGTH:
        raise SettingError(f"{source} holds a password of {len(value)} characters: give at least {MIN_LENGTH}.")
    if not value.isprintable():
        raise SettingError(f"{source} holds a password with a control character: remove it.")
    return value
