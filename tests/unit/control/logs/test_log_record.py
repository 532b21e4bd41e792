"""What the control app says through `logging`, as gunicorn has it: no caller's text begins a line."""

import io
import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from control.logs.log_record import INDENT, install

FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"  # gunicorn's


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    before = logging.getLogRecordFactory()
    install()
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger("app").addHandler(handler)
    yield text
    logging.getLogger("app").removeHandler(handler)
    logging.setLogRecordFactory(before)


def fail(path: str, words: str) -> None:
    """Have a Flask application raise `words` at `path`."""
    app = Flask("app")

    @app.before_request
    def raises() -> None:
        raise ValueError(words)

    assert app.test_client().get(path).status_code == 500


def test_a_path_with_line_breaks_is_one_line(stream: io.StringIO) -> None:
    fail("/a%0Aforged%0D%1B%E2%80%A8", "no")

    first, *others = stream.getvalue().splitlines()
    assert "Exception on /a\\x0aforged\\x0d\\x1b\\u2028 [GET]" in first
    assert all(line.startswith(INDENT) for line in others)
    assert others[-1] == f"{INDENT}ValueError: no"


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\u2028"])
def test_no_line_of_an_exception_passes_for_another_record(stream: io.StringIO, end: str) -> None:
    fail("/a", f"no{end}[2026-01-01] [1] [ERROR] forged")

    assert [line for line in stream.getvalue().splitlines() if "forged" in line] == [
        f"{INDENT}[2026-01-01] [1] [ERROR] forged"
    ]


def test_an_exception_of_any_length_is_cut_from_its_end(stream: io.StringIO) -> None:
    fail("/a", "x" * 1_000_000)

    assert len(stream.getvalue()) < 20_000
    assert "characters left out)" in stream.getvalue()
    assert stream.getvalue().endswith("xxx\n")


def test_all_else_is_as_before(stream: io.StringIO) -> None:
    logging.getLogger("app").warning("100 %% of %s", "it")

    assert stream.getvalue().endswith("[WARNING] 100 % of it\n")
