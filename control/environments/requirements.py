"""The `requirements.txt` of a project: which environment it asks for, and a line more."""

import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from control.config.errors import InvalidRequirement, StorageError
from control.environments.environment import PRODUCT

REQUIREMENTS = "requirements.txt"
# https://pip.pypa.io/en/stable/reference/requirements-file-format/
INCLUDED = re.compile(rb"^\s*(?:-r|--requirement|-c|--constraint)[ \t=]*([^\s#]+)", re.MULTILINE)


def digest(file: Path) -> str:
    """A hash of the file, of those that it includes, and of the Python and the packages below; raises OSError."""
    contents = b"\0".join([_platform(), *_contents(file, set())])
    return hashlib.blake2s(contents, digest_size=8).hexdigest()


def add(folder: Path, requirement: str) -> None:
    """Add a line to a project's file, which is created if it is missing; raises InvalidRequirement, StorageError."""
    line = requirement.strip()
    if not line or not line.isprintable() or line.startswith(("-", "#")):
        raise InvalidRequirement(f"{line!r} names no package: give one such as requests or requests>=2.")
    file, partial = folder / REQUIREMENTS, folder / f".{REQUIREMENTS}.partial"
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if line not in lines:
            partial.write_text("".join(f"{each}\n" for each in [*lines, line]), encoding="utf-8")
            partial.replace(file)
    except UnicodeDecodeError:
        raise InvalidRequirement(f"{REQUIREMENTS} is not UTF-8: save it as UTF-8 first.") from None
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}.") from error


@cache
def _platform() -> bytes:
    packages = sorted(path.name for path in PRODUCT.glob("*.dist-info"))
    return "\n".join([sys.version, sysconfig.get_platform(), str(PRODUCT), *packages]).encode()


def _contents(file: Path, seen: set[Path]) -> Iterator[bytes]:
    seen.add(file)
    content = file.read_bytes()
    yield content
    for name in INCLUDED.findall(content):
        path = file.parent / name.decode(errors="surrogateescape")
        if path not in seen and path.is_file():  # a URL, or what pip will miss
            yield from _contents(path, seen)
