"""A project's own settings: `api.toml` in its folder, in place of those of the environment."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from control.config.settings import PER_PROJECT, SettingError, Settings
from control.projects.regular_file import open_regular

FILE = "api.toml"
MAX_SIZE = 100_000  # bytes
MAX_SHOWN = 100  # characters of a bad value


def load(folder: Path, settings: Settings) -> tuple[Settings, dict[str, str]]:
    """The settings of the project in `folder`, and those that are its own as environment variables.

    Raises SettingError, with the file, the key, and what is allowed.
    """
    try:
        values = {name: _read_one(name, value) for name, value in _parse(folder / FILE).items()}
    except SettingError as error:
        raise SettingError(f"{FILE}: {error}") from None
    settings = replace(settings, **values)
    environ = settings.to_env()
    return settings, {name.upper(): environ[name.upper()] for name in values}


def _parse(path: Path) -> Mapping[str, Any]:
    """The file's content; empty without one. Raises SettingError."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise SettingError(f"it is larger than {MAX_SIZE:,} bytes.")
        return tomllib.loads(data.decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"it cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise SettingError(f"it is not TOML ({error}).") from None


def _read_one(name: str, value: object) -> Any:
    """Checked as an environment variable; raises SettingError."""
    if name in PER_PROJECT:
        text = str(value).lower() if isinstance(value, bool) else str(value) or '""'
        return PER_PROJECT[name]({name: text[:MAX_SHOWN]}, name)
    if name.lower() in Settings.__dataclass_fields__ and name.lower() not in PER_PROJECT:
        raise SettingError(f"{name} is a setting of the whole stack: set {name.upper()} in its environment.")
    raise SettingError(f"{name[:MAX_SHOWN]!r} is unknown: give {', '.join(PER_PROJECT)}.")
