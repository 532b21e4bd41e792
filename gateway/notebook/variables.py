"""A project's own variables: the file `.env` in its folder, for its kernels and for terminals opened in it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from gateway.http.regular_file import ENV_FILE, read_regular
from gateway.notebook.failure import NotebookError

# Bytes. The system passes no variable of 128 KiB to a program, MAX_ARG_STRLEN in execve(2).
MAX_SIZE = 100_000
# Where Jupyter's own files are, and where Python finds its library: no kernel of ours could start, or be reached.
RESERVED = re.compile(r"JUPYTER_.*|PYTHONHOME|PYTHONPLATLIBDIR|PYTHONSAFEPATH")
NEWLINE = re.compile(r"\r\n|\n|\r")


def read(folder: Path) -> dict[str, str]:
    """The variables in the `.env` of a project's folder; none without that file. Raises NotebookError.

    As python-dotenv reads them, with `${NAME}` of a line above or of this process, which has no password.
    https://saurabh-kumar.com/python-dotenv/#file-format
    """
    path = folder / ENV_FILE
    if not path.exists() or path.is_dir():  # a folder: some people's virtual environment
        return {}
    try:
        text = read_regular(path).decode("utf-8-sig")
    except OSError as error:
        raise _error(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _error("it is not UTF-8") from None
    if len(text.encode()) > MAX_SIZE:
        raise _error(f"it is larger than {MAX_SIZE:,} bytes")
    for line, binding in _bindings(text):
        if problem := _find_problem(binding):
            raise _error(f"line {line}: {problem}")
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def find_project(folder: Path, root: Path) -> Path | None:
    """The folder of the project that `folder` belongs to: itself or the next one above, below `root`."""
    folder, root = folder.resolve(), root.resolve()
    for candidate in (folder, *folder.parents):
        if not candidate.is_relative_to(root) or candidate == root:
            return None
        if (candidate / "server.ipynb").is_file():
            return candidate
    return None


def _bindings(source: str) -> Iterator[tuple[int, Binding]]:
    """The statements with their lines, from 1; the library counts from the blank lines before a statement."""
    for binding in parse_stream(io.StringIO(source)):
        text, line = binding.original
        yield line + len(NEWLINE.findall(text[: len(text) - len(text.lstrip())])), binding


def _find_problem(binding: Binding) -> str | None:
    """Why a statement is refused. Without its text, which may be a secret."""
    if binding.error:
        return "write NAME=value, and close each quote"
    if binding.key is None:  # a comment
        return None
    if binding.value is None:
        return "it has no value. Write NAME=value"
    if "=" in binding.key or "\0" in binding.key + binding.value:
        return "no variable can have such a name, or a value with a NUL"
    if RESERVED.fullmatch(binding.key):
        return f"{binding.key} belongs to the kernel itself. Remove it"
    return None


def _error(reason: str) -> NotebookError:
    return NotebookError.outside_cells("InvalidVariables", f"{ENV_FILE}: {reason}")
