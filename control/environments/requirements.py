"""Which environment a `requirements.txt` asks for."""

import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from control.environments.environment import PRODUCT

REQUIREMENTS = "requirements.txt"
# https://pip.pypa.io/en/stable/reference/requirements-file-format/
INCLUDED = re.compile(rb"^\s*(?:-r|--requirement|-c|--constraint)[ \t=]*([^\s#]+)", re.MULTILINE)


def digest(file: Path) -> str:
    """A hash of the file, of those that it includes, and of the Python and the packages below; raises OSError."""
    contents = b"\0".join([_platform(), *_contents(file, set())])
    return hashlib.blake2s(contents, digest_size=8).hexdigest()


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
