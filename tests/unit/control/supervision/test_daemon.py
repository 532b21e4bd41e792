"""Output: what programs print becomes whole lines, each with its program's name."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from control.supervision.daemon import Output


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stdout() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def output(stdout: io.StringIO, log: io.StringIO) -> Output:
    return Output(stdout, log)


def log_event(program: str, data: bytes | str, group: str = "stack") -> Any:
    """supervisord's event for a chunk of output."""
    process = SimpleNamespace(
        config=SimpleNamespace(name=program),
        group=SimpleNamespace(config=SimpleNamespace(name=group)),
    )
    return SimpleNamespace(process=process, data=data)


def test_each_line_gets_its_programs_name(output: Output, stdout: io.StringIO) -> None:
    output.on_output(log_event("nginx", b"one\ntwo\n"))

    assert stdout.getvalue() == "nginx | one\nnginx | two\n"


def test_a_line_that_comes_in_pieces_is_printed_once_and_whole(output: Output, stdout: io.StringIO) -> None:
    output.on_output(log_event("nginx", b"on"))
    assert stdout.getvalue() == ""

    output.on_output(log_event("nginx", b"e\ntw"))

    assert stdout.getvalue() == "nginx | one\n"


def test_pieces_of_two_programs_do_not_mix(output: Output, stdout: io.StringIO) -> None:
    output.on_output(log_event("nginx", b"on"))
    output.on_output(log_event("jupyter", b"hello\n"))
    output.on_output(log_event("nginx", b"e\n"))

    assert stdout.getvalue() == "jupyter | hello\nnginx | one\n"


def test_a_character_cut_in_two_comes_whole(output: Output, stdout: io.StringIO) -> None:
    for part in (b"caf\xc3", b"\xa9\n"):
        output.on_output(log_event("blue", part))

    assert stdout.getvalue() == "blue | café\n"


def test_bytes_that_are_no_text_and_text_itself_do_no_harm(output: Output, stdout: io.StringIO) -> None:
    output.on_output(log_event("blue", b"\xff\n"))
    output.on_output(log_event("blue", "text\n"))

    assert stdout.getvalue() == "blue | \ufffd\nblue | text\n"


def test_a_line_without_an_end_is_one_line_and_does_not_fill_the_memory(output: Output, stdout: io.StringIO) -> None:
    for _ in range(100):
        output.on_output(log_event("blue", b"x" * 10_000))
    output.on_output(log_event("blue", b"\nnext\n"))

    long, following = stdout.getvalue().splitlines()
    assert long.startswith("blue | xxx")
    assert long.endswith("x … (984,000 bytes left out)")
    assert following == "blue | next"


@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\x00", "\x9b"]
)
def test_no_text_forges_or_hides_a_line_wherever_it_is_shown(
    output: Output, log: io.StringIO, stdout: io.StringIO, evil: str
) -> None:
    output.on_output(log_event("blue", f"said: {evil}forged\n", group="gateway"))

    for text in (stdout.getvalue(), log.getvalue(), *output.last_lines["blue"]):
        (line,) = text.splitlines()
        assert evil not in line
        assert "said: \\" in line


def test_colours_are_for_terminals_only(output: Output, log: io.StringIO, stdout: io.StringIO) -> None:
    output.on_output(log_event("blue", b"\x1b[1;31mred\x1b[0m\r\n", group="gateway"))

    assert stdout.getvalue() == "blue | red\n"
    assert log.getvalue() == "red\n"


def test_what_a_caller_sent_is_not_in_an_error_of_nginx(output: Output, stdout: io.StringIO) -> None:
    error = '[error] 1#1: *1 connect() failed, client: 10.0.0.1, server: , request: "GET /?token=hidden HTTP/1.1"\n'
    output.on_output(log_event("nginx", error))
    output.on_output(log_event("blue", error))

    of_nginx, of_blue = stdout.getvalue().splitlines()
    assert of_nginx == "nginx | [error] 1#1: *1 connect() failed, client: 10.0.0.1, server: "
    assert of_blue == f"blue | {error.rstrip()}"  # a cell's own words


def test_only_what_the_api_prints_is_in_the_log_of_the_api(output: Output, log: io.StringIO) -> None:
    output.on_output(log_event("nginx", b"of nginx\n"))
    output.on_output(log_event("blue", b"of blue\n", group="gateway"))
    output.on_output(log_event("green", b"of green, 100 %s\n", group="gateway"))

    assert log.getvalue() == "of blue\nof green, 100 %s\n"


def test_a_programs_last_lines_are_kept_to_say_why_it_was_lost(output: Output) -> None:
    output.on_output(log_event("nginx", b"".join(b"%d\n" % number for number in range(50))))

    assert list(output.last_lines["nginx"])[-1] == "49"
    assert len(output.last_lines["nginx"]) < 20


def test_the_unfinished_line_of_a_program_that_ends_is_printed(output: Output, stdout: io.StringIO) -> None:
    last = log_event("blue", b"fatal: no memory", group="gateway")
    output.on_output(last)

    output.flush(last.process)
    output.on_output(log_event("blue", b"started again\n", group="gateway"))

    assert stdout.getvalue() == "blue | fatal: no memory\nblue | started again\n"
