"""The last lines of a log, whatever its size."""

from pathlib import Path

import pytest

from control.logs.tail import BLOCK, last_lines
from tests.support.processes import bytes_read


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "api.log"


def test_no_file_yet_is_no_lines(log: Path) -> None:
    assert last_lines(log, 200) == ""


def test_an_empty_file_is_no_lines(log: Path) -> None:
    log.touch()

    assert last_lines(log, 200) == ""


def test_fewer_lines_than_asked_for_are_all_of_them(log: Path) -> None:
    log.write_text("one\ntwo\n", encoding="utf-8")

    assert last_lines(log, 200) == "one\ntwo\n"


def test_the_last_ones_are_given_in_their_order(log: Path) -> None:
    log.write_text("".join(f"{number}\n" for number in range(10)), encoding="utf-8")

    assert last_lines(log, 3) == "7\n8\n9\n"


def test_no_lines_asked_for_are_none_given(log: Path) -> None:
    log.write_text("one\n", encoding="utf-8")

    assert last_lines(log, 0) == ""


def test_a_line_that_is_not_finished_yet_counts(log: Path) -> None:
    log.write_text("one\ntwo\nthr", encoding="utf-8")

    assert last_lines(log, 2) == "two\nthr"


@pytest.mark.parametrize("length", [10, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_lines_of_any_length_come_whole(log: Path, length: int) -> None:
    lines = [f"{number}{'x' * length}\n" for number in range(4)]
    log.write_text("".join(lines), encoding="utf-8")

    assert last_lines(log, 2) == "".join(lines[2:])


def test_characters_cut_by_a_block_come_whole(log: Path) -> None:
    log.write_text("ä" * BLOCK + "\n", encoding="utf-8")

    assert last_lines(log, 1) == "ä" * BLOCK + "\n"


def test_bytes_that_are_no_text_do_no_harm(log: Path) -> None:
    log.write_bytes(b"ok\n\xff\xfe\n")

    assert last_lines(log, 2) == "ok\n\ufffd\ufffd\n"


def test_a_log_of_a_gigabyte_is_read_from_its_end(log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(10**9)  # sparse: it takes no space
        file.seek(0, 2)
        file.write(b"\nlast but one\nlast\n")
    before = bytes_read()

    assert last_lines(log, 2) == "last but one\nlast\n"
    assert bytes_read() - before < 1_000_000
