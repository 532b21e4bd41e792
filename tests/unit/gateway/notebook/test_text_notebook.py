"""`server.py`: a notebook as text, cell by cell what Jupyter shows of it."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from gateway.notebook.failure import Failure, NotebookError
from gateway.notebook.loader import Notebook, load
from gateway.notebook.text_notebook import read, write
from tests.support.notebooks import notebook_text

HEADER = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
TEXT = """\
import json

# %% [markdown]
# # Says hello
# to everybody.

# %% The endpoint
# GET /hello
# %time x = 1
print(json.dumps("hello"))

# %%
# %%bash
# echo "# GET /no"

# %%
def broken(:
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.py"


def load_text(path: Path, text: str) -> Notebook:
    path.write_bytes(text.encode())
    return load(path)


@pytest.mark.parametrize("text", [TEXT, HEADER + TEXT, "\ufeff" + TEXT, TEXT.replace("\n", "\r\n")])
def test_its_code_cells_are_what_stands_between_the_markers(path: Path, text: str) -> None:
    assert load_text(path, text).cells == (
        "import json",
        '# GET /hello\n%time x = 1\nprint(json.dumps("hello"))',
        '%%bash\necho "# GET /no"',
        "def broken(:",
    )


def test_its_markdown_is_a_cell_too(path: Path) -> None:
    cells = load_text(path, TEXT).content.cells

    assert [(cell.cell_type, cell.source) for cell in cells if cell.cell_type != "code"] == [
        ("markdown", "# Says hello\nto everybody.")
    ]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("# GET /x\nprint(1)\n\n\n# GET /y\nprint(2)\n", ("# GET /x\nprint(1)\n\n\n# GET /y\nprint(2)",)),
        ("#%%\nx = '''\n# %%\n'''\n#%%\ny = 1", ("x = '''\n# %%\n'''", "y = 1")),
        ("", ()),
    ],
    ids=["no marker", "a marker in a string", "empty"],
)
def test_text_that_is_hardly_a_notebook_is_one(path: Path, text: str, cells: tuple[str, ...]) -> None:
    assert load_text(path, text).cells == cells


def test_its_kernel_is_the_one_in_its_header_or_pythons(path: Path) -> None:
    assert [load_text(path, text).kernel_name for text in (TEXT, HEADER + TEXT)] == ["python3", "python3"]
    with pytest.raises(NotebookError, match="the kernel 'cobol'"):
        load_text(path, HEADER.replace("name: python3", "name: cobol") + TEXT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            "# %%\nx = 1\ny = 'ä'".encode("latin-1"),
            r"server\.py is not a notebook: line 3 is not UTF-8\. Save the file as UTF-8",
        ),
        (b'{"cells": [], "nbformat": 4}', r"server\.py is not a notebook: its content is JSON\. Name it server\.ipynb"),
        (HEADER.replace("  kernelspec:", "  kernelspec: 3\n#   x:").encode(), r"server\.py is not a notebook"),
    ],
)
def test_what_cannot_be_read_is_reported(path: Path, data: bytes, reason: str) -> None:
    path.write_bytes(data)

    with pytest.raises(NotebookError, match=reason):
        load(path)


@pytest.mark.parametrize("text", [TEXT, HEADER + TEXT, "\ufeff" + TEXT, TEXT.replace("\n", "\r\n")])
def test_a_failure_has_the_line_of_the_file(path: Path, text: str) -> None:
    notebook = load_text(path, text)
    offset = HEADER.count("\n") if text.startswith(HEADER) else 0

    def file_line(cell: int) -> int | None:
        return notebook.locate(Failure(cell, 1, "SyntaxError", "", "")).file_line

    assert [file_line(cell) for cell in (1, 2, 3, 4)] == [1 + offset, 8 + offset, None, 17 + offset]
    assert notebook.locate(Failure(4, 1, "SyntaxError", "", "")).source == "def broken(:"
    assert notebook.locate(Failure(4, None, "KernelDied", "", "")).file_line is None


def test_a_notebook_that_is_not_text_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "server.ipynb"
    path.write_text(notebook_text(["x = 1", "y ="]))
    failure = load(path).locate(Failure(2, 1, "SyntaxError", "", ""))

    assert (failure.source, failure.file_line) == ("y =", None)


@pytest.mark.parametrize("header", ["", HEADER])
def test_a_save_keeps_what_was_not_changed(header: str) -> None:
    """Jupyter's own metadata stays out of a text that had no header, also where a cell was run."""
    text = header + dedent(
        """\
        # %%
        import json

        # %% [markdown]
        # Text

        # %%
        # GET /x
        # %%bash
        # ls
        """
    )
    content = read(text)
    content.metadata["language_info"] = {"name": "python", "version": "3.13.5"}
    content.cells[0].metadata["trusted"] = True
    content.cells[0].execution_count = 3

    assert write(content).endswith(text.removeprefix(header))
    assert write(content).startswith("# ---" if header else "# %%")
    assert read(write(content)).cells[-1].source == "# GET /x\n%%bash\nls"


def test_nothing_loads_jupytext_until_there_is_a_text() -> None:
    """It would take 0.05 s of each start of a gateway and of Jupyter, 0.3 s and 20 MB of the control app."""
    modules = "gateway.arbiter.app, gateway.notebook.text_contents, control.web.app"
    code = f"import sys, {modules}; sys.exit('jupytext' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
