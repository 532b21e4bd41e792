"""Printer: who prints never waits, and what could not be written is counted."""

import errno
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.logs.rotation import write_to_log
from control.logs.tail import last_lines
from control.supervision.printer import Printer
from tests.support.waiting import eventually

LINE = "x" * 99 + "\n"


class Disk:
    """A sink that can be full."""

    def __init__(self) -> None:
        self.text = ""
        self.is_full = False

    def write(self, data: bytes, _source: str) -> int:
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
    printer = Printer(lambda data, _: os.write(write_end, data), "{} | ")
    for _ in range(30_000):
        printer.write(LINE, "label")

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


def test_a_flood_takes_the_place_of_no_others_lines() -> None:
    taken: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def write(data: bytes, _source: str) -> int:
        begun.set()
        go_on.wait(20)
        taken.extend(data.decode().splitlines())
        return len(data)

    printer = Printer(write, "{} | ")
    printer.write("begin\n", "noisy")
    begun.wait(20)
    for _ in range(100):
        for source in ("noisy", "noisier"):
            printer.write(1000 * f"{source:99}\n", source)
        printer.write("quiet\n", "quiet")

    go_on.set()
    printer.drain(5)
    printer.write("after\n", "noisy")
    printer.drain(5)
    assert taken.count("quiet") == 100
    for source in ("noisy", "noisier"):
        (note,) = [line for line in taken if line.startswith(f"{source} | ")]
        match = re.fullmatch(r"\w+ \| … ([\d,]+) lines were dropped", note)
        assert match
        kept = taken.count(f"{source:99}")
        assert kept + int(match[1].replace(",", "")) == 100_000
        assert kept > 5000


def test_a_log_that_cannot_be_written_costs_no_other_its_lines(tmp_path: Path) -> None:
    printer = Printer(write_to_log)
    gone, broken, good = (tmp_path / name / "api.log" for name in ("gone", "broken", "good"))
    broken.mkdir(parents=True)
    good.parent.mkdir()

    for number in range(3):
        for log in (gone, broken, good):
            printer.write(f"{number}\n", str(log))
        printer.drain(5)

    assert last_lines(good, 10) == "0\n1\n2\n"
    broken.rmdir()
    eventually(lambda: last_lines(broken, 10) == "… 3 lines were dropped\n", 5)


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


def test_lines_that_a_disk_had_no_room_for_are_counted_by_their_source() -> None:
    disk, room, failures = Disk(), 30, 0
    begun, go_on = threading.Event(), threading.Event()

    def write(data: bytes, source: str) -> int:
        nonlocal room, failures
        begun.set()
        go_on.wait(20)
        size = min(len(data), room)
        disk.is_full = size == 0
        failures += disk.is_full
        room = 1000 if failures == 2 else room - size
        return disk.write(data[:size], source)

    printer = Printer(write, "{} | ")
    printer.write("12345678\n", "a")
    begun.wait(20)
    for source in ("a", "b", "c", "b"):
        printer.write(f"{source}\n" * 10, source)

    go_on.set()

    eventually(lambda: disk.text.count(" dropped\n") == 2, 5, "what was dropped")
    notes = {"b | … 20 lines were dropped", "c | … 10 lines were dropped"}
    written, rest = "12345678\n" + 10 * "a\n" + "b", disk.text[30:]
    assert disk.text.startswith(written)
    assert set(rest.splitlines()) == notes


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

    def write(data: bytes, _source: str) -> int:
        attempts.append(data)
        return os.write(write_end, data)

    printer = Printer(write)
    for _ in range(3):
        printer.write(LINE)
        printer.drain(5)

    os.close(write_end)
    assert len(attempts) >= 3
