"""What programs print as lines of the log: nothing in them can begin a line, colour it, hide it or go on for ever."""

import time
import unicodedata

import pytest

from control.logs.lines import MAX_LINE, LineBuffer, escape, format_line, strip_request


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("plain, with a tab:\there", "plain, with a tab:\there"),
        ("zwölf 日本 👩‍🚀 a\u00a0b \ufeff", "zwölf 日本 👩‍🚀 a\u00a0b \ufeff"),
        ("C:\\new", "C:\\new"),
        ("\x1b[1;31mred\x1b[0m \x1b[38:5:9mtoo\x1b[m", "red too"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x1b\x1b[0m[31m", "\\x1b[31m"),
        ("shown\rhidden", "shown\\x0dhidden"),
        ("a\nb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h", "a\\x0ab\\x0bc\\x0cd\\x1ce\\x85f\\u2028g\\u2029h"),
        ("\x00\x08\x7f\x9b31m", "\\x00\\x08\\x7f\\x9b31m"),
        ("a\u202eb\u2066c\u200fd\u061c", "a\\u202eb\\u2066c\\u200fd\\u061c"),
    ],
)
def test_control_characters_are_shown_and_all_other_text_stays(text: str, output: str) -> None:
    assert escape(text) == output


def test_no_character_that_controls_anything_is_left() -> None:
    text = escape("".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)])))
    assert [char for char in text if unicodedata.category(char) in ("Cc", "Zl", "Zp")] == ["\t"]
    directions = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert not [char for char in text if unicodedata.bidirectional(char) in directions]
    assert text.splitlines() == [text]


def test_the_end_of_a_line_as_windows_has_it_is_not_shown() -> None:
    assert format_line(b"text\r") == "text"
    assert format_line(b"\r") == ""


def test_a_line_that_is_too_long_is_cut_and_says_how_much_is_missing() -> None:
    assert format_line(b"x" * MAX_LINE) == "x" * MAX_LINE
    assert format_line(b"x" * (MAX_LINE + 1234)) == "x" * MAX_LINE + " … (1,234 bytes left out)"


def test_a_cut_within_a_character_leaves_whole_ones() -> None:
    beginning = format_line(b"x" + "é".encode() * MAX_LINE).partition(" … ")[0]
    assert beginning == "x" + "é" * (MAX_LINE // 2 - 1)


@pytest.mark.parametrize("step", [1, 1000, 7_777, 200_000])
def test_lines_are_the_same_in_whatever_pieces_they_come(step: int) -> None:
    data = b"first\n\n" + b"x" * 100_000 + b"\nsecond\r\n" + b"y" * 20_000
    lines = LineBuffer()
    texts = [text for start in range(0, len(data), step) for text in lines.feed(data[start : start + step])]
    x, y = "x" * MAX_LINE + " … (84,000 bytes left out)", "y" * MAX_LINE + " … (4,000 bytes left out)"
    assert [*texts, lines.flush(), lines.flush()] == ["first", "", x, "second", y, ""]


def test_a_line_without_an_end_is_held_to_a_bound() -> None:
    lines = LineBuffer()
    assert [text for _ in range(1000) for text in lines.feed(b"x" * 10_000)] == []
    assert len(lines.partial) == MAX_LINE
    assert lines.feed(b"\nnext\n") == ["x" * MAX_LINE + " … (9,984,000 bytes left out)", "next"]


@pytest.mark.parametrize(
    "request_line",
    [
        'request: "GET /invoke/x?token=hidden HTTP/1.1", upstream: "http://unix:/x:/invoke/x?token=hidden", host: "a"',
        'host: "hidden", referrer: "http://x/?token=hidden"',
    ],
)
def test_of_an_error_of_nginx_the_client_stays_and_what_it_sent_goes(request_line: str) -> None:
    prefix = "2026/01/01 00:00:00 [error] 1#1: *1 connect() failed, client: 10.0.0.1, server: "
    assert strip_request(f"{prefix}, {request_line}") == prefix


@pytest.mark.parametrize("text", ["\x1b[" + "0;" * 50_000, "\x1b[" * 50_000, ', request: "' * 10_000, "\x07" * 100_000])
def test_a_line_of_any_length_is_escaped_in_no_time(text: str) -> None:
    began = time.monotonic()
    escape(strip_request(text))
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute
