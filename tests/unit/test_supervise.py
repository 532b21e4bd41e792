"""Output: what programs print becomes whole lines, each with its program's name."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from control.supervise import Output


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "api.log"


@pytest.fixture
def output(log: Path) -> Iterator[Output]:
    made = Output(log)
    yield made
    for handler in list(made.api_log.handlers):
        made.api_log.removeHandler(handler)
        handler.close()


def printed(program: str, data: bytes | str, group: str = "stack") -> Any:
    """supervisord's event for a chunk of output."""
    process = SimpleNamespace(
        config=SimpleNamespace(name=program),
        group=SimpleNamespace(config=SimpleNamespace(name=group)),
    )
    return SimpleNamespace(process=process, data=data)


def test_each_line_gets_its_programs_name(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    output.received(printed("nginx", b"one\ntwo\n"))

    assert capsys.readouterr().out == "nginx | one\nnginx | two\n"


def test_a_line_that_comes_in_pieces_is_printed_once_and_whole(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    output.received(printed("nginx", b"on"))
    assert capsys.readouterr().out == ""

    output.received(printed("nginx", b"e\ntw"))

    assert capsys.readouterr().out == "nginx | one\n"


def test_pieces_of_two_programs_do_not_mix(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    output.received(printed("nginx", b"on"))
    output.received(printed("jupyter", b"hello\n"))
    output.received(printed("nginx", b"e\n"))

    assert capsys.readouterr().out == "jupyter | hello\nnginx | one\n"


def test_a_character_cut_in_two_comes_whole(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    for part in (b"caf\xc3", b"\xa9\n"):
        output.received(printed("blue", part))

    assert capsys.readouterr().out == "blue | café\n"


def test_bytes_that_are_no_text_and_text_itself_do_no_harm(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    output.received(printed("blue", b"\xff\n"))
    output.received(printed("blue", "text\n"))

    assert capsys.readouterr().out == "blue | \ufffd\nblue | text\n"


def test_a_line_without_an_end_does_not_fill_the_memory(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(100):
        output.received(printed("blue", b"x" * 10_000))

    assert len(capsys.readouterr().out) > 900_000
    assert sum(map(len, output.partial.values())) < 100_000


def test_only_what_the_api_prints_is_in_the_log_of_the_api(output: Output, log: Path) -> None:
    output.received(printed("nginx", b"of nginx\n"))
    output.received(printed("blue", b"of blue\n", group="gateway"))
    output.received(printed("green", b"of green, 100 %s\n", group="gateway"))

    assert log.read_text(encoding="utf-8") == "of blue\nof green, 100 %s\n"


def test_a_programs_last_lines_are_kept_to_say_why_it_was_lost(output: Output) -> None:
    output.received(printed("nginx", b"".join(b"%d\n" % number for number in range(50))))

    assert list(output.last["nginx"])[-1] == "49"
    assert len(output.last["nginx"]) < 20


def test_the_unfinished_line_of_a_program_that_ends_is_printed(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    last = printed("blue", b"fatal: no memory", group="gateway")
    output.received(last)

    output.ended(last.process)
    output.received(printed("blue", b"started again\n", group="gateway"))

    assert capsys.readouterr().out == "blue | fatal: no memory\nblue | started again\n"
