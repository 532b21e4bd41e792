"""Printer: who prints never waits, and what could not be written is counted."""

import errno
import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from control.logs.tail import last_lines, rotated_path
from control.supervision.printer import Printer, RotatedFile
from tests.support.waiting import eventually

LINE = "x" * 99 + "\n"


class Disk:
    """A sink that can be full."""

    def __init__(self) -> None:
        self.text = ""
        self.is_full = False

    def write(self, data: bytes) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.text += data.decode()
        return len(data)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    os.close(read_end)


def test_a_reader_who_stops_reading_holds_up_nobody_and_learns_how_much_was_dropped(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    printer = Printer(partial(os.write, write_end), "label | ")
    for _ in range(30_000):
        printer.write(LINE)

    lines: list[str] = []

    def read() -> None:
        with os.fdopen(os.dup(read_end)) as stream:
            lines.extend(stream)

    reader = threading.Thread(target=read)
    reader.start()
    printer.drain(5)
    printer.write("after\n")
    printer.drain(5)
    os.close(write_end)
    reader.join(20)
    assert lines[-1] == "after\n"
    counts = [match[1] for line in lines if (match := re.fullmatch(r"label \| … ([\d,]+) lines were dropped\n", line))]
    assert sum(int(count.replace(",", "")) for count in counts) + lines.count(LINE) == 30_000
    assert lines.count(LINE) > 5_000


def test_a_full_disk_costs_the_lines_of_that_time_which_are_counted() -> None:
    disk = Disk()
    printer = Printer(disk.write)
    printer.write("first\n")
    printer.drain(5)

    disk.is_full = True
    for _ in range(3):
        printer.write("lost\n")
        printer.drain(5)
    disk.is_full = False
    printer.write("last\n")

    printer.drain(5)
    assert disk.text == "first\n… 3 lines were dropped\nlast\n"


def test_how_much_was_dropped_is_said_though_nothing_follows() -> None:
    disk = Disk()
    disk.is_full = True
    printer = Printer(disk.write)
    printer.write("lost\n")
    printer.drain(5)

    disk.is_full = False

    eventually(lambda: disk.text == "… 1 line was dropped\n", 5)


def test_a_pipe_whose_reader_is_gone_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    attempts = []

    def write(data: bytes) -> int:
        attempts.append(data)
        return os.write(write_end, data)

    printer = Printer(write)
    for _ in range(3):
        printer.write(LINE)
        printer.drain(5)

    os.close(write_end)
    assert attempts.count(LINE.encode()) == 3


def test_a_full_log_becomes_the_one_before_it(tmp_path: Path) -> None:
    log = RotatedFile(tmp_path / "api.log", 100)

    printer = Printer(log.write)
    for number in range(50):
        printer.write(f"{number}\n")
        printer.drain(5)

    assert rotated_path(tmp_path / "api.log").exists()
    assert (tmp_path / "api.log").stat().st_size < 200
    assert last_lines(tmp_path / "api.log", 30) == "".join(f"{number}\n" for number in range(20, 50))
