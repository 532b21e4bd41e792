"""Output: what programs print becomes whole lines, each with its program's name."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from control.supervision.daemon import Output


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
    output.on_output(printed("nginx", b"one\ntwo\n"))

    assert capsys.readouterr().out == "nginx | one\nnginx | two\n"


def test_a_line_that_comes_in_pieces_is_printed_once_and_whole(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    output.on_output(printed("nginx", b"on"))
    assert capsys.readouterr().out == ""

    output.on_output(printed("nginx", b"e\ntw"))

    assert capsys.readouterr().out == "nginx | one\n"


def test_pieces_of_two_programs_do_not_mix(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    output.on_output(printed("nginx", b"on"))
    output.on_output(printed("jupyter", b"hello\n"))
    output.on_output(printed("nginx", b"e\n"))

    assert capsys.readouterr().out == "jupyter | hello\nnginx | one\n"


def test_a_character_cut_in_two_comes_whole(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    for part in (b"caf\xc3", b"\xa9\n"):
        output.on_output(printed("blue", part))

    assert capsys.readouterr().out == "blue | café\n"


def test_bytes_that_are_no_text_and_text_itself_do_no_harm(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    output.on_output(printed("blue", b"\xff\n"))
    output.on_output(printed("blue", "text\n"))

    assert capsys.readouterr().out == "blue | \ufffd\nblue | text\n"


def test_a_line_without_an_end_is_one_line_and_does_not_fill_the_memory(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(100):
        output.on_output(printed("blue", b"x" * 10_000))
    output.on_output(printed("blue", b"\nnext\n"))

    long, following = capsys.readouterr().out.splitlines()
    assert long.startswith("blue | xxx")
    assert long.endswith("x … (984,000 bytes left out)")
    assert following == "blue | next"


@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\x00", "\x9b"]
)
def test_no_text_forges_or_hides_a_line_wherever_it_is_shown(
    output: Output, log: Path, capsys: pytest.CaptureFixture[str], evil: str
) -> None:
    output.on_output(printed("blue", f"said: {evil}forged\n", group="gateway"))

    for text in (capsys.readouterr().out, log.read_text(encoding="utf-8"), *output.last_lines["blue"]):
        (line,) = text.splitlines()
        assert evil not in line
        assert "said: \\" in line


def test_colours_are_for_terminals_only(output: Output, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output.on_output(printed("blue", b"\x1b[1;31mred\x1b[0m\r\n", group="gateway"))

    assert capsys.readouterr().out == "blue | red\n"
    assert log.read_text(encoding="utf-8") == "red\n"


def test_what_a_caller_sent_is_not_in_an_error_of_nginx(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    error = '[error] 1#1: *1 connect() failed, client: 10.0.0.1, server: , request: "GET /?token=hidden HTTP/1.1"\n'
    output.on_output(printed("nginx", error))
    output.on_output(printed("blue", error))

    of_nginx, of_blue = capsys.readouterr().out.splitlines()
    assert of_nginx == "nginx | [error] 1#1: *1 connect() failed, client: 10.0.0.1, server: "
    assert of_blue == f"blue | {error.rstrip()}"  # a cell's own words


def test_only_what_the_api_prints_is_in_the_log_of_the_api(output: Output, log: Path) -> None:
    output.on_output(printed("nginx", b"of nginx\n"))
    output.on_output(printed("blue", b"of blue\n", group="gateway"))
    output.on_output(printed("green", b"of green, 100 %s\n", group="gateway"))

    assert log.read_text(encoding="utf-8") == "of blue\nof green, 100 %s\n"


def test_a_programs_last_lines_are_kept_to_say_why_it_was_lost(output: Output) -> None:
    output.on_output(printed("nginx", b"".join(b"%d\n" % number for number in range(50))))

    assert list(output.last_lines["nginx"])[-1] == "49"
    assert len(output.last_lines["nginx"]) < 20


def test_the_unfinished_line_of_a_program_that_ends_is_printed(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    last = printed("blue", b"fatal: no memory", group="gateway")
    output.on_output(last)

    output.flush(last.process)
    output.on_output(printed("blue", b"started again\n", group="gateway"))

    assert capsys.readouterr().out == "blue | fatal: no memory\nblue | started again\n"
