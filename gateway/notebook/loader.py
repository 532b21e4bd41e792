"""Loads a notebook file: its code cells, its language, its kernel."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel

from gateway.http.regular_file import read_regular
from gateway.notebook.failure import NotebookError
from gateway.notebook.kernel_specs import KernelSpecs


@dataclass(frozen=True)
class Notebook:
    """`is_ours`: the kernel is an ipykernel of this Python, in which the engine's worker can run."""

    path: Path
    content: Any  # as nbformat reads it
    cells: tuple[str, ...]
    kernel_name: str
    language: str
    is_ours: bool


def load(path: Path, force_kernel: str | None = None) -> Notebook:
    """Read and check a notebook for its own kernel or `force_kernel`; raises NotebookError."""
    try:
        # Not nbformat.reads: its validation takes 0.1 s, and only logs its findings.
        content = nbformat.convert(nbformat.reader.reads(read_regular(path).decode()), 4)
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
    return Notebook(path, content, cells, name, spec.language.lower(), is_ours)


def _is_this_python(program: str) -> bool:
    # jupyter_client replaces these names by the running interpreter.
    own = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
    path = Path(program).absolute()
    # Not resolved: every virtual environment links to the same base Python. control/environments/ marks those
    # that it layers over ours.
    is_layered = any(path.parent.parent.glob("lib/python*/site-packages/_image.pth"))
    return program in own or path == Path(sys.executable).absolute() or is_layered
