"""Loads a notebook file: its code cells, its language, its kernel."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel

from gateway.http.regular_file import read_regular
from gateway.notebook import text_notebook
from gateway.notebook.failure import Failure, NotebookError
from gateway.notebook.kernel_specs import KernelSpecs


@dataclass(frozen=True)
class Notebook:
    """`is_ours`: the kernel is an ipykernel of this Python, in which the engine's worker can run."""

    path: Path
    text: str | None  # of the file, if it is stored as text
    content: Any  # as nbformat reads it
    cells: tuple[str, ...]
    kernel_name: str
    language: str
    is_ours: bool

    def locate(self, failure: Failure) -> Failure:
        """The failure, with the source of its cell, and its line in a file that is text."""
        if failure.cell is None:
            return failure
        first = text_notebook.find_line(self.text, self.cells, failure.cell) if self.text else None
        file_line = first + failure.line - 1 if first and failure.line else None
        return replace(failure, source=self.cells[failure.cell - 1], file_line=file_line)


def load(path: Path, force_kernel: str | None = None) -> Notebook:
    """Read and check a notebook for its own kernel or `force_kernel`; raises NotebookError."""
    try:
        text = _decode(path.name, read_regular(path))
        # Not nbformat.reads: its validation takes 0.1 s, and only logs its findings.
        is_text = text_notebook.is_text(path)
        content = text_notebook.read(text) if is_text else nbformat.convert(nbformat.reader.reads(text), 4)
        cells = tuple(cell.source for cell in content.cells if cell.cell_type == "code")
        # A notebook that was never opened in Jupyter names no kernel.
        own_name = content.metadata.setdefault("kernelspec", {}).setdefault("name", "python3")
    # nbformat does not validate here: any part may be missing, or of another type.
    except (OSError, ValueError, AttributeError, LookupError, TypeError, nbformat.ValidationError) as error:
        raise NotebookError.outside_cells("NotANotebook", f"{path.name} is not a notebook: {error}") from error
    except RecursionError as error:
        reason = f"{path.name} is not a notebook: its JSON is nested too deeply"
        raise NotebookError.outside_cells("NotANotebook", reason) from error
    name = force_kernel or own_name
    try:
        spec = KernelSpecs().get_kernel_spec(name)
    except NoSuchKernel as error:
        reason = f"the notebook asks for the kernel {name!r}, which is not installed"
        raise NotebookError.outside_cells("NoSuchKernel", reason) from error
    # Stock takes the form of REQUEST and of comments from it; Jupyter writes it only when it has run the notebook.
    content.metadata["language_info"] = {"name": spec.language.lower()}
    is_ours = "ipykernel_launcher" in spec.argv and _is_this_python(spec.argv[0])
    return Notebook(path, text if is_text else None, content, cells, name, spec.language.lower(), is_ours)


def _decode(name: str, data: bytes) -> str:
    """Raises NotebookError for what is not UTF-8, as all notebooks are."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"{name} is not a notebook: line {line} is not UTF-8. Save the file as UTF-8"
        raise NotebookError.outside_cells("NotANotebook", reason) from error


def _is_this_python(program: str) -> bool:
    # jupyter_client replaces these names by the running interpreter.
    own = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
    path = Path(program).absolute()
    # Not resolved: every virtual environment links to the same base Python. control/environments/ marks those
    # that it layers over ours.
    is_layered = any(path.parent.parent.glob("lib/python*/site-packages/_image.pth"))
    return program in own or path == Path(sys.executable).absolute() or is_layered
