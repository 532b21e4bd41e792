"""Values that are written out in cells: read, and never computed."""

from typing import Any

import pytest

from gateway.notebook.literals import NotALiteral, read_assignment, read_info


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('REQUEST = json.dumps({"body": {"a": [1, 2.5, None, True]}})', {"body": {"a": [1, 2.5, None, True]}}),
        ('REQUEST = json.dumps({"a": (1, 2), 3: -1}, indent=2)', {"a": [1, 2], "3": -1}),
        ("REQUEST = '{\"body\": 1}'", {"body": 1}),
        ('# an example\nimport json\n\nREQUEST = json.dumps({"a": 1})\n', {"a": 1}),
        ('REQUEST = "{}"\nREQUEST = json.dumps([1])', [1]),
        ('OLD = REQUEST = "2"', 2),
    ],
)
def test_what_is_written_out_is_read(source: str, value: Any) -> None:
    assert read_assignment(source, "REQUEST") == value


@pytest.mark.parametrize(
    "source",
    [
        'REQUEST = json.dumps({"a": open("/etc/passwd").read()})',
        'REQUEST = json.dumps({"a": 10 ** 10 ** 10})',
        "REQUEST = json.dumps(EXAMPLE)",
        "REQUEST = make()",
        "REQUEST = 'no json'",
        'REQUEST = f"{1}"',
        "REQUEST = json.dumps({1, 2})",
        "REQUEST = json.dumps(1e999)",
        "REQUEST = 'NaN'",
        "REQUEST = json.dumps(" + "[" * 90 + "]" * 90 + " or 1)",
        "REQUEST = json.dumps()",
        "REQUEST = json.loads('{}')",
    ],
)
def test_what_is_computed_is_not(source: str) -> None:
    with pytest.raises(NotALiteral):
        read_assignment(source, "REQUEST")


@pytest.mark.parametrize(
    "source", ["", "x = 1", "%%time\nREQUEST = '1'", "REQUEST = (", "\0", "(" * 9999, "def f():\n    REQUEST = '1'"]
)
def test_a_cell_that_assigns_something_else_or_is_no_python_is_none(source: str) -> None:
    with pytest.raises(LookupError):
        read_assignment(source, "REQUEST")


def test_reading_a_cell_has_no_effect(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotALiteral):
        read_assignment('print("run")\nREQUEST = json.dumps({"a": print("run")})\n"\\d"', "REQUEST")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "source",
    [
        '# ResponseInfo GET /x\nprint(json.dumps({"status": 201}))',
        "print('{\"status\": 201}')",
        '# ResponseInfo GET /x\n{"status": 201}',
        'json.dumps({"status": 201})',
    ],
)
def test_what_a_cell_prints_is_read_too(source: str) -> None:
    assert read_info(source) == {"status": 201}


@pytest.mark.parametrize(
    "source",
    [
        "",
        "print(info)",
        "print({})",
        "{1, 2}",
        "{**info}",
        'x = 1\nprint("{}")',
        'print("1", "2")',
        'print("1", end="2")',
    ],
)
def test_what_a_cell_with_more_in_it_prints_is_not(source: str) -> None:
    with pytest.raises(NotALiteral):
        read_info(source)
