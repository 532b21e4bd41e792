"""Reading a log as it grows, is rotated and is cut short."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from control.logs.reader import MAX_READ, LogReader
from control.logs.tail import last_lines
from tests.support.processes import bytes_read


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "api.log"
    path.write_text("one\ntwo\nthree\n")
    return path


@pytest.fixture
def reader_of() -> Iterator[Callable[..., LogReader]]:
    """Makes readers that are closed after the test."""
    with ExitStack() as stack:
        yield lambda log, *arguments: stack.enter_context(closing(LogReader(lambda: log, *arguments)))


Make = Callable[..., LogReader]


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


@pytest.mark.parametrize(("lines", "text"), [(0, ""), (2, "two\nthree\n"), (9, "one\ntwo\nthree\n")])
def test_it_begins_with_the_last_lines_and_goes_on_with_new_ones(
    reader_of: Make, log: Path, lines: int, text: str
) -> None:
    reader = reader_of(log, lines)
    assert reader.read() == text
    assert reader.read() == ""
    append(log, "four\n")
    assert reader.read() == "four\n"


def test_a_line_comes_when_it_is_whole(reader_of: Make, log: Path) -> None:
    reader = reader_of(log, 0)
    reader.read()
    append(log, "fo")
    assert reader.read() == ""
    append(log, "ür\nfi")
    assert reader.read() == "foür\n"


def test_a_reader_goes_on_where_an_earlier_one_was(reader_of: Make, log: Path) -> None:
    earlier = reader_of(log, 1)
    earlier.read()
    append(log, "four\n")

    assert reader_of(log, 200, earlier.position).read() == "four\n"


@pytest.mark.parametrize("position", ["", "x", "1-2", "-", "{inode}-999999", "{inode}--1", "{inode}-²", "9" * 5000])
def test_a_position_that_is_not_in_this_file_is_none(reader_of: Make, log: Path, position: str) -> None:
    position = position.format(inode=log.stat().st_ino)

    assert reader_of(log, 1, position).read() == "three\n"


def test_no_line_is_lost_or_doubled_by_a_rotation(reader_of: Make, log: Path) -> None:
    reader = reader_of(log, 0)
    reader.read()
    append(log, "last of the old\n")
    log.rename(log.with_name("api.log.1"))
    assert reader.read() == "last of the old\n"
    log.write_text("first of the new\n")
    assert reader.read() == "first of the new\n"
    append(log, "next\n")
    assert reader.read() == "next\n"


def test_what_was_not_read_yet_of_a_rotated_log_is_read_to_its_end(reader_of: Make, log: Path) -> None:
    reader = reader_of(log, 0)
    reader.read()
    many = 3 * MAX_READ // 1000
    append(log, "".join(f"{number:0999}\n" for number in range(many)))
    log.rename(log.with_name("api.log.1"))
    log.write_text("first of the new\n")

    lines = [line for _ in range(8) for line in reader.read().splitlines()]

    assert [int(line) for line in lines[:-1]] == list(range(many))
    assert lines[-1] == "first of the new"


def test_just_after_a_rotation_the_last_lines_are_those_of_both_files(reader_of: Make, log: Path) -> None:
    log.rename(log.with_name("api.log.1"))
    log.write_text("four\n")

    for lines, text in ((1, "four\n"), (3, "two\nthree\nfour\n"), (9, "one\ntwo\nthree\nfour\n"), (0, "")):
        assert reader_of(log, lines).read() == text
        assert last_lines(log, lines) == text


def test_lines_of_the_rotated_file_never_stand_before_a_gap(reader_of: Make, log: Path) -> None:
    log.rename(log.with_name("api.log.1"))
    log.write_text("".join("x" * 64_000 + "\n" for _ in range(20)))

    assert "three" not in reader_of(log, 200).read()


def test_a_reader_goes_on_in_the_rotated_file_where_an_earlier_one_was(reader_of: Make, log: Path) -> None:
    earlier = reader_of(log, 1)
    earlier.read()
    append(log, "four\n")
    log.rename(log.with_name("api.log.1"))
    log.write_text("five\n")

    later = reader_of(log, 200, earlier.position)
    assert later.read() + later.read() == "four\nfive\n"


def test_a_log_that_is_cut_short_is_read_from_its_beginning(reader_of: Make, log: Path) -> None:
    reader = reader_of(log, 0)
    reader.read()
    log.write_text("new\n")

    assert reader.read() == "new\n"


def test_a_log_that_appears_later_is_read(reader_of: Make, tmp_path: Path) -> None:
    reader = reader_of(tmp_path / "api.log", 10)
    assert reader.read() == ""
    append(reader.path, "one\n")
    assert reader.read() == "one\n"


def test_a_reader_that_goes_over_to_another_log_misses_nothing_and_reads_nothing_twice(
    tmp_path: Path,
) -> None:
    logs = [tmp_path / name for name in ("a", "b", "c")]
    current = logs[0]
    append(logs[0], "a1\na2\n")
    append(logs[1], "b1\nb2\n")
    with closing(LogReader(lambda: current, 1)) as reader:
        assert reader.read() == "a2\n"
        append(logs[0], "a3\na4\n")
        current = logs[1]
        assert reader.read() == "a3\na4\nb2\n"
        append(logs[1], "b3\n")
        assert reader.read() == "b3\n"
        current = logs[2]
        assert reader.read() == "", "it is not there yet"
        append(logs[2], "c1\n")
        assert reader.read() == "c1\n"
        append(logs[0], "a5\na6\n")
        current = logs[0]
        assert reader.read() == "a5\na6\n", "it was there before"


def test_of_a_hundred_megabytes_only_the_end_is_read(reader_of: Make, log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(10**8)  # sparse: it takes no space
        file.seek(0, 2)
        file.write(b"\nlast but one\nlast\n")
    before = bytes_read()

    assert reader_of(log, 2).read() == "last but one\nlast\n"
    far_behind = reader_of(log, 2, f"{log.stat().st_ino}-0").read()
    assert far_behind == "last but one\nlast\n"
    assert bytes_read() - before < 3_000_000


def test_a_line_without_an_end_comes_in_pieces(reader_of: Make, log: Path) -> None:
    reader = reader_of(log, 0)
    reader.read()
    append(log, "x" * (MAX_READ + 5) + "\n")

    assert [len(reader.read()) for _ in range(2)] == [MAX_READ, 6]
