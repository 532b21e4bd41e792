"""A project's `.env`: what it gives, and that a bad line is told by its number and without its text."""

import os
from pathlib import Path

import pytest

from gateway.notebook.failure import NotebookError
from gateway.notebook.variables import find_project, read


def read_text(folder: Path, text: str | bytes) -> dict[str, str]:
    (folder / ".env").write_bytes(text.encode() if isinstance(text, str) else text)
    return read(folder)


def test_a_file_is_read_as_python_dotenv_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "localhost")
    monkeypatch.delenv("ABSENT", raising=False)
    text = """\ufeff# The shop's
export KEY=abc # not a part of it
QUOTED='a "b" # ${HOST}'
LINES="one
two"\r
EMPTY=
URL=http://${HOST}/${KEY}${ABSENT}
OTHER=${ABSENT:-default}
"""
    assert read_text(tmp_path, text) == {
        "KEY": "abc",
        "QUOTED": 'a "b" # localhost',  # whatever the quotes
        "LINES": "one\ntwo",
        "EMPTY": "",
        "URL": "http://localhost/abc",
        "OTHER": "default",
    }
    assert os.environ["HOST"] == "localhost"
    assert "KEY" not in os.environ


def test_without_the_file_or_with_a_folder_of_its_name_there_are_no_variables(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    (tmp_path / ".env").mkdir()
    assert read(tmp_path) == {}


def test_a_link_to_a_file_is_followed_as_kubernetes_mounts_secrets(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("A=1")
    (tmp_path / ".env").symlink_to("secret")

    assert read(tmp_path) == {"A": "1"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A=1\n\n \nsk-secret with spaces\n", "line 4: write NAME=value, and close each quote"),
        ("A=1\r\n\r\nB: sk-secret\r\n", "line 3: write NAME=value, and close each quote"),
        ("# a\nB='sk-secret\nC=1\n", "line 2: write NAME=value, and close each quote"),
        ("A=1\n\nsk-secret", "line 3: it has no value. Write NAME=value"),
        ("'a=b'=sk-secret", "line 1: no variable can have such a name, or a value with a NUL"),
        ("A=sk-secret\0", "line 1: no variable can have such a name, or a value with a NUL"),
        ("JUPYTER_RUNTIME_DIR=/sk-secret", "line 1: JUPYTER_RUNTIME_DIR belongs to the kernel itself. Remove it"),
        ("\nPYTHONHOME=/sk-secret", "line 2: PYTHONHOME belongs to the kernel itself. Remove it"),
        (b"A=sk-secret\xff", "it is not UTF-8"),
        ("A=" + 100_000 * "x", "it is larger than 100,000 bytes"),
    ],
)
def test_what_is_no_variable_is_told_with_its_line_and_never_its_text(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    with pytest.raises(NotebookError) as error:
        read_text(tmp_path, text)

    failure = error.value.failure
    assert (failure.name, failure.value) == ("InvalidVariables", f".env: {reason}")
    assert "sk-secret" not in f"{failure!r} {error.value}"


def test_what_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")

    with pytest.raises(NotebookError, match=r"\.env: it cannot be read"):
        read(tmp_path)


def test_a_folder_belongs_to_the_next_project_above_it(tmp_path: Path) -> None:
    root = tmp_path / "notebooks"
    for project in ("shop", "shop/inner"):
        (root / project / "data" / "deep").mkdir(parents=True)
        (root / project / "server.ipynb").touch()
    (root / "other").mkdir()
    (root / "server.ipynb").touch()  # no project: it has no name

    found = {str(path): find_project(root / path, root) for path in (".", "other", "shop", "shop/data/deep")}
    assert found == {".": None, "other": None, "shop": root / "shop", "shop/data/deep": root / "shop"}
    assert find_project(root / "shop" / "inner" / "data", root) == root / "shop" / "inner"
    assert find_project(tmp_path, root) is None
