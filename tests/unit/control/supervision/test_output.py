"""Output: what programs print becomes whole lines, each with its program's name."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from control.supervision.output import Output


class Paper(io.StringIO):
    """A printer without a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def write(self, text: str, /, source: str = "") -> int:
        self.sources.append(source)
        return super().write(text)


@pytest.fixture
def stdout() -> Paper:
    return Paper()


@pytest.fixture
def logs() -> Paper:
    return Paper()


@pytest.fixture
def output(stdout: Paper, logs: Paper) -> Output:
    return Output(stdout, logs)


def log_event(program: str, data: bytes | str) -> Any:
    """supervisord's event for a chunk of output; a slot of an API is `<project>/<slot>`."""
    project = program.rpartition("/")[0]
    group = SimpleNamespace(api=SimpleNamespace(log=f"log of {project}") if project else None)
    return SimpleNamespace(process=SimpleNamespace(config=SimpleNamespace(name=program), group=group), data=data)


def test_each_line_gets_its_programs_name(output: Output, stdout: Paper) -> None:
    output.on_output(log_event("nginx", b"one\ntwo\n"))

    assert stdout.getvalue() == "nginx | one\nnginx | two\n"


def test_a_line_that_comes_in_pieces_is_printed_once_and_whole(output: Output, stdout: Paper) -> None:
    output.on_output(log_event("nginx", b"on"))
    assert stdout.getvalue() == ""

    output.on_output(log_event("nginx", b"e\ntw"))

    assert stdout.getvalue() == "nginx | one\n"


def test_pieces_of_two_programs_do_not_mix(output: Output, stdout: Paper) -> None:
    output.on_output(log_event("nginx", b"on"))
    output.on_output(log_event("jupyter", b"hello\n"))
    output.on_output(log_event("nginx", b"e\n"))

    assert stdout.getvalue() == "jupyter | hello\nnginx | one\n"


def test_a_character_cut_in_two_comes_whole(output: Output, stdout: Paper) -> None:
    for part in (b"caf\xc3", b"\xa9\n"):
        output.on_output(log_event("blue", part))

    assert stdout.getvalue() == "blue | café\n"


def test_bytes_that_are_no_text_and_text_itself_do_no_harm(output: Output, stdout: Paper) -> None:
    output.on_output(log_event("blue", b"\xff\n"))
    output.on_output(log_event("blue", "text\n"))

    assert stdout.getvalue() == "blue | \ufffd\nblue | text\n"


def test_a_line_without_an_end_is_one_line_and_does_not_fill_the_memory(output: Output, stdout: Paper) -> None:
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
    output: Output, stdout: Paper, logs: Paper, evil: str
) -> None:
    output.on_output(log_event("shop/blue", f"said: {evil}forged\n"))
    output.on_output(log_event("nginx", f"said: {evil}forged\n"))

    printed = "".join(paper.getvalue() for paper in (stdout, logs)) + "\n".join(output.last_lines["nginx"])
    assert evil not in printed
    assert len(printed.splitlines()) == printed.count("said: \\") == 4


def test_colours_are_for_terminals_only(output: Output, stdout: Paper, logs: Paper) -> None:
    output.on_output(log_event("shop/blue", b"\x1b[1;31mred\x1b[0m\r\n"))

    assert stdout.getvalue() == "shop/blue | red\n"
    assert logs.getvalue() == "red\n"


def test_what_a_caller_sent_is_not_in_an_error_of_nginx(output: Output, stdout: Paper) -> None:
    error = '[error] 1#1: *1 connect() failed, client: 10.0.0.1, server: , request: "GET /?token=hidden HTTP/1.1"\n'
    output.on_output(log_event("nginx", error))
    output.on_output(log_event("blue", error))

    of_nginx, of_blue = stdout.getvalue().splitlines()
    assert of_nginx == "nginx | [error] 1#1: *1 connect() failed, client: 10.0.0.1, server: "
    assert of_blue == f"blue | {error.rstrip()}"  # a cell's own words


def test_what_an_api_prints_and_nothing_else_is_in_its_log(output: Output, stdout: Paper, logs: Paper) -> None:
    output.on_output(log_event("nginx", b"of nginx\n"))
    output.on_output(log_event("a/b/blue", b"of blue\n"))
    output.on_output(log_event("shop/blue", b"of another\n"))
    output.on_output(log_event("a/b/green", b"of green, 100 %s\n"))

    assert stdout.getvalue() == (
        "nginx | of nginx\na/b/blue | of blue\nshop/blue | of another\na/b/green | of green, 100 %s\n"
    )
    assert logs.getvalue() == "of blue\nof another\nof green, 100 %s\n"
    # So that a flood of one takes the place of no other's lines.
    assert stdout.sources == ["nginx", "a/b/blue", "shop/blue", "a/b/green"]
    assert logs.sources == ["log of a/b", "log of shop", "log of a/b"]


def test_pieces_of_two_apis_do_not_mix(output: Output, logs: Paper) -> None:
    output.on_output(log_event("shop/blue", b"on"))
    output.on_output(log_event("news/blue", b"hello\n"))
    output.on_output(log_event("shop/blue", b"e\n"))

    assert logs.getvalue() == "hello\none\n"


def test_a_programs_last_lines_are_kept_to_say_why_it_was_lost(output: Output) -> None:
    output.on_output(log_event("nginx", b"".join(b"%d\n" % number for number in range(50))))

    assert list(output.last_lines["nginx"])[-1] == "49"
    assert len(output.last_lines["nginx"]) < 20


def test_the_unfinished_line_of_a_program_that_ends_is_printed(output: Output, stdout: Paper) -> None:
    last = log_event("shop/blue", b"fatal: no memory")
    output.on_output(last)

    output.flush(last.process)
    output.on_output(log_event("shop/blue", b"started again\n"))

    assert stdout.getvalue() == "shop/blue | fatal: no memory\nshop/blue | started again\n"


def test_nothing_is_kept_of_an_api_that_has_ended(output: Output) -> None:
    for number in range(100):
        event = log_event(f"project-{number}/blue", b"one\ntwo\nthree")
        output.on_output(event)
        output.flush(event.process)

    assert not output.buffers
    assert not output.last_lines
