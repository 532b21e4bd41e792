"""What is reported of a cell that keeps the notebook from being served."""

import time

import pytest

from gateway.notebook.failure import MAX_TRACEBACK, MAX_VALUE, NotebookError


def reply(value: str) -> dict[str, object]:
    lines = ["\x1b[31mValueError\x1b[0m", "Cell In[1], line 3", f"ValueError: {value}"]
    return {"status": "error", "ename": "ValueError", "evalue": value, "traceback": lines}


def test_a_failure_names_the_line_of_the_cell_as_it_was_written() -> None:
    failure = NotebookError.in_cell(2, reply("no"), "\n\n1\n2\nraise").failure
    assert (failure.cell, failure.line, failure.name, failure.value) == (2, 5, "ValueError", "no")
    assert failure.traceback == "ValueError\nCell In[1], line 3\nValueError: no"


def test_a_message_of_any_length_is_cut() -> None:
    failure = NotebookError.in_cell(2, reply("\n" * 2_000_000 + "the end")).failure
    assert (failure.line, len(failure.value)) == (3, MAX_VALUE)
    assert failure.traceback.endswith("the end")
    assert failure.traceback.startswith("(1,98")
    assert len(failure.traceback) < MAX_TRACEBACK + 100


@pytest.mark.parametrize(
    "text", ["\x1b[" + "0;" * 50_000, "\x1b[" * 50_000, "Cell In[" + "1" * 100_000, "Cell In[" * 12_500]
)
def test_a_traceback_of_any_kind_is_read_in_no_time(text: str) -> None:
    began = time.monotonic()
    NotebookError.in_cell(1, reply(text))
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute
