"""The files of logs: how large they become, alone and together."""

import fcntl
from pathlib import Path

import pytest

from control.logs.rotation import ALL_BYTES, RotatedFile, file_bytes, trim_logs, write_to_log
from control.logs.tail import last_lines, rotated_path

LINE = b"x" * 9_999 + b"\n"


def test_a_full_log_becomes_the_one_before_it(tmp_path: Path) -> None:
    log = RotatedFile(tmp_path / "api.log", 100)

    for number in range(50):
        log.write(f"{number}\n".encode())

    assert rotated_path(tmp_path / "api.log").exists()
    assert (tmp_path / "api.log").stat().st_size < 200
    assert last_lines(tmp_path / "api.log", 30) == "".join(f"{number}\n" for number in range(20, 50))


def test_a_full_log_that_another_process_has_renamed_meanwhile_is_not_renamed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "api.log"
    first, second = RotatedFile(path, 100), RotatedFile(path, 100)
    first.write(b"x" * 100 + b"\n")

    def flock(_file: int, _operation: int) -> None:
        monkeypatch.undo()
        second.write(b"second\n")

    monkeypatch.setattr(fcntl, "flock", flock)
    first.write(b"first\n")

    assert rotated_path(path).stat().st_size == 101
    assert path.read_text() == "second\nfirst\n"


def logs_of(folder: Path, count: int) -> list[Path]:
    logs = [folder / str(number) / "api.log" for number in range(count)]
    for log in logs:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.with_name("supervisord.conf").touch()
    return logs


def fill(log: Path) -> None:
    for _ in range(2500):
        write_to_log(LINE, log)


def size_of_all(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*/api.log*"))


def test_few_apis_have_large_logs_and_many_no_more_in_all(tmp_path: Path) -> None:
    (log,) = logs_of(tmp_path, 1)
    fill(log)
    assert 11_000_000 < size_of_all(tmp_path) <= 22_000_000 + 2 * len(LINE)
    for count in (4, 5, 20, 100):
        logs_of(tmp_path, count)
        assert file_bytes(tmp_path) * 2 * count == ALL_BYTES


def test_where_there_is_one_more_api_the_logs_of_others_keep_their_last_lines(tmp_path: Path) -> None:
    busy, idle = logs_of(tmp_path, 2)
    for log in (busy, idle):
        fill(log)
        write_to_log(b"the last\n", log)
    logs_of(tmp_path, 40)

    trim_logs(tmp_path)
    trim_logs(tmp_path)

    assert size_of_all(tmp_path) <= 2_000_000
    assert last_lines(idle, 3) == 2 * LINE.decode() + "the last\n"
    write_to_log(b"the very last\n", busy)
    assert last_lines(busy, 2) == "the last\nthe very last\n"
    assert last_lines(busy, 10_000).startswith("xxx"), "whole lines"
