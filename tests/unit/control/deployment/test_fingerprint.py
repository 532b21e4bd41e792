"""Which changes of a notebook count as new code, and when its file is read."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from control.deployment import fingerprint as module
from control.deployment.fingerprint import NotebookFile, file_fingerprint, fingerprint
from tests.support.notebooks import DEEP, notebook, notebook_text

CELLS = ["import json", "# GET /a\nprint('a')"]


def code(*cells: str, kernel: str = "python3", **changes: Any) -> str | None:
    """The fingerprint of a notebook of such code cells."""
    return fingerprint(json.dumps({**notebook(list(cells), kernel), **changes}).encode())


@pytest.mark.parametrize(
    "cells", [CELLS[:1], [*CELLS, "x = 1"], CELLS[::-1], ["import json ", CELLS[1]], ["".join(CELLS)]]
)
def test_code_that_is_changed_removed_added_or_moved_is_new(cells: list[str]) -> None:
    assert code(*cells) != code(*CELLS)


def test_a_code_cell_that_becomes_text_is_a_change() -> None:
    content = notebook(CELLS)
    content["cells"][0]["cell_type"] = "markdown"

    assert fingerprint(json.dumps(content).encode()) != code(*CELLS)


def test_another_kernel_is_a_change() -> None:
    assert code(*CELLS, kernel="bash") != code(*CELLS)


def test_what_jupyter_saves_by_itself_is_no_change() -> None:
    content = notebook([*CELLS, ""])  # the blank cell that appears below the last
    content["cells"].insert(1, {"cell_type": "markdown", "metadata": {}, "source": "# A heading"})
    content["cells"][0] |= {
        "execution_count": 7,
        "outputs": [{"output_type": "stream", "text": "x"}],
        "metadata": {"trusted": True},
        "source": CELLS[0].splitlines(keepends=True),
    }
    content["metadata"]["language_info"] = {"version": "3.13.5"}

    assert fingerprint(json.dumps(content, indent=1).encode()) == code(*CELLS)


def test_a_notebook_that_names_no_kernel_means_the_one_jupyter_writes_into_it() -> None:
    assert code(*CELLS, metadata={}) == code(*CELLS)


def test_half_a_file_has_no_fingerprint_and_one_that_is_no_notebook_has() -> None:
    whole = notebook_text(CELLS).encode()

    assert [fingerprint(whole[:end]) for end in (0, 1, 100, len(whole) - 1)] == [None] * 4
    assert fingerprint(b"\xff\xfe") is None
    for text in ("[]", "3", '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}', '{"cells": [], "metadata": 3}'):
        assert fingerprint(text.encode()), text


TEXT = "# %%\nimport json\n\n# %% [markdown]\n# A heading\n\n# %%\n# GET /a\nprint('a')\n"


def test_a_text_of_the_same_cells_is_no_change() -> None:
    text = "\ufeff" + TEXT.replace("\n", "\r\n")

    for each in (TEXT, text, TEXT.replace("A heading", "Another"), TEXT + "\n# %%\n"):
        assert fingerprint(each.encode(), is_text=True) == code(*CELLS)
    assert fingerprint(TEXT.replace("'a'", "'b'").encode(), is_text=True) != code(*CELLS)


def test_a_text_that_cannot_be_read_has_no_fingerprint() -> None:
    header = "# ---\n# jupyter:\n#   kernelspec: 3\n# ---\n"

    assert [fingerprint(data, is_text=True) for data in (b"x = '\xe4'", (header + TEXT).encode())] == [None, None]


def test_a_text_is_read_once_it_no_longer_grows(tmp_path: Path) -> None:
    """Half of it would be a notebook, with half of the endpoints."""
    file = NotebookFile(tmp_path / "server.py")
    codes = []
    for size in (0, len(TEXT) // 2, len(TEXT)):
        file.path.write_text(TEXT[:size])
        codes.append(file.poll())

    assert [*codes, file.poll()] == [None, None, None, code(*CELLS)]
    file.path.write_bytes(b"x = '\xe4'")
    assert [file.poll(), file.poll()] == [None, None]


def test_a_text_is_read_once_while_it_may_still_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = NotebookFile(tmp_path / "server.py")
    file.path.write_text(TEXT)
    reads: list[bytes] = []
    monkeypatch.setattr(module, "fingerprint", lambda data, is_text: reads.append(data) or "code")

    assert [file.poll() for _ in range(4)] == [None, "code", "code", "code"]
    assert len(reads) == 1


@pytest.fixture
def file(tmp_path: Path) -> NotebookFile:
    return NotebookFile(tmp_path / "server.ipynb")


def test_a_save_in_place_and_one_by_rename_are_both_seen(file: NotebookFile) -> None:
    file.path.write_text(notebook_text(["a = 1"]))
    first = file.poll()
    file.path.write_text(notebook_text(["a = 2"]))  # of the same size
    second = file.poll()
    new_file = file.path.with_name("~server.ipynb")
    new_file.write_text(notebook_text(["a = 3"]))
    new_file.replace(file.path)
    third = file.poll()

    assert None not in (first, second, third)
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("step", [-86_400, -1, 0, 1])
def test_a_save_is_seen_whatever_its_time_stamp_says(file: NotebookFile, step: int) -> None:
    """Of a file system with coarse stamps, of a clock that was set back."""
    stamp = 1_700_000_000
    codes = []
    for number in range(3):
        file.path.write_text(notebook_text([f"a = {number}"]))  # in place, of the same size
        os.utime(file.path, (stamp + number * step,) * 2)
        codes.append(file.poll())
    assert codes == [code(f"a = {number}") for number in range(3)]


def test_a_file_that_is_being_written_is_waited_for(file: NotebookFile) -> None:
    whole = notebook_text(["a = 1"])
    file.path.write_text(whole[:50])
    assert file.poll() is None

    file.path.write_text(whole)
    assert file.poll() == code("a = 1")


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", DEEP], ids=["a merge conflict", "deep"])
def test_a_file_that_stays_broken_counts_as_it_is(
    file: NotebookFile, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file.path.write_text(text)
    assert file.poll() is None
    monkeypatch.setattr(module, "SETTLE_TIME", -1)

    assert file.poll() == file_fingerprint(file.path) is not None


def test_a_file_that_was_deleted_has_no_code_until_it_is_back(file: NotebookFile) -> None:
    file.path.write_text(notebook_text(["a = 1"]))
    first = file.poll()
    file.path.unlink()
    assert file.poll() is None
    assert file_fingerprint(file.path) is None

    file.path.write_text(notebook_text(["a = 1"]))
    assert file.poll() == first


@pytest.mark.parametrize("name", [".env", "api.toml"])
def test_a_companion_that_is_saved_deleted_or_back_is_a_change(file: NotebookFile, name: str) -> None:
    file.path.write_text(notebook_text(["a = 1"]))
    companion = file.path.with_name(name)
    codes = [file.poll()]
    for text in ("A=1", "A=2", ""):
        companion.write_text(text)
        codes.append(file.poll())
        assert file_fingerprint(file.path) == codes[-1]
    companion.unlink()
    assert len(set(codes)) == 4
    assert file.poll() == codes[0]

    os.mkfifo(companion)
    assert file.poll() == codes[0]


def test_what_is_no_regular_file_is_not_read(file: NotebookFile) -> None:
    os.mkfifo(file.path)

    assert file.poll() is None
    assert file_fingerprint(file.path) is None
    file.path.unlink()
    file.path.write_text(notebook_text(["a = 1"]))
    assert file.poll() == code("a = 1")


def test_a_file_that_has_long_been_the_same_is_not_read(file: NotebookFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_TIME", -1)
    file.path.write_text(notebook_text(["a = 1"]))
    before = file.poll()
    read: list[bytes] = []
    monkeypatch.setattr(module, "fingerprint", read.append)

    assert [file.poll() for _ in range(3)] == [before] * 3
    assert read == []
