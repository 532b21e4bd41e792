"""Which cells are functions, read from their source."""

import pytest

from gateway.notebook import annotations, functions


@pytest.mark.parametrize(
    "source",
    [
        "# GET /x\ndef f() -> int: ...",
        "# GET /x\nasync def f(a: int, *, b: str = 'x') -> int: ...",
        '# GET /x\n"""What it does."""\nimport os\nA = 1\nB: int = 2\nA += 1\ndef f(a: int): ...',
        "# GET /x\ndef g(x): ...\nclass C: ...\ndef f(a: int): ...",
        "# GET /x\ndef f(body, headers, request): ...",
        "# GET /x\n@cache\ndef f(a: 'Later') -> 'Later': ...",
        "# GET /x\ndef f(*args): ...",
        "# GET /x\nvalue = load(path)\ndef f(a: int): ...",
    ],
)
def test_a_cell_that_ends_in_a_definition_is_a_function(source: str) -> None:
    assert functions.read(source) == functions.Function("f", source[: source.rindex("def f")].count("\n") + 1)


@pytest.mark.parametrize("source", ["# GET /x\nprint(1)", "# GET /x\ndef f(): ...\nf()", "# GET /x\ndef f(:", "", "\0"])
def test_other_cells_are_none(source: str) -> None:
    assert functions.read(source) is None


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("# GET /x\nprint(1)\ndef f(): ...", 2, "`print(1)`"),
        ("# GET /x\n%matplotlib inline\ndef f(): ...", 2, "`%matplotlib inline`"),
        ("# GET /x\ndef f(a: int,\n      b): ...", 3, "its parameter b has no annotation"),
        ("# POST /x\nr = json.loads(REQUEST)\ndef f(a: int): ...", 2, "REQUEST is read above it"),
        ("# GET /x\nclass F:\n    def __call__(self): ...", 2, "the class F is not an endpoint"),
        ("# GET /x\nf = lambda a: a", 2, "a lambda is not an endpoint"),
        ("# GET, POST /x\ndef f(a: int):\n    return json.loads(REQUEST)", 3, "REQUEST does not exist in a function"),
    ],
)
def test_what_keeps_a_definition_from_being_the_endpoint_is_a_hint(source: str, line: int, reason: str) -> None:
    (problem,) = annotations.parse([source]).problems
    assert (problem.cell, problem.line) == (1, line)
    assert reason in problem.message


def test_a_function_that_shares_its_path_with_a_cell_runs_as_a_cell() -> None:
    api = annotations.parse(["# GET /x\nprint(1)", "# GET /x\ndef f(): ..."])
    assert [endpoint.function for endpoint in api.endpoints] == [None]
    assert [(p.cell, p.line) for p in api.problems] == [(2, 2)]
    assert "other cells have GET /x too" in api.problems[0].message


def test_two_functions_of_one_path_are_an_error() -> None:
    for path in ("/x/:a", "/x/:b", "/x/{a}/"):
        api = annotations.parse(["# GET /x/:a\ndef f(a: str): ...", f"# GET {path}\ndef g(a: str): ..."])
        assert [(e.cell, e.line) for e in api.errors] == [(2, 2)], path
        assert "cell 1" in api.errors[0].message


def test_one_function_for_several_methods_is_no_error() -> None:
    api = annotations.parse(["# GET, POST /x\ndef f(a: str): ..."])
    assert (api.errors, api.problems, api.functions) == ([], [], {1: "f"})


def test_a_name_used_twice_and_a_response_info_are_reported() -> None:
    cells = ["# GET /x\ndef f(): ...", "# GET /y\ndef f(): ...", "# ResponseInfo GET /x\nprint('{}')"]
    problems = annotations.parse(cells).problems
    assert [(p.cell, p.line) for p in problems] == [(2, 2), (3, 1)]
    assert "cell 1 has a function f too" in problems[0].message
    assert "has no effect" in problems[1].message


@pytest.mark.parametrize(("name", "line"), [("b", 3), ("Nope", 3), ("a", 2), ("missing", 2), (None, 2)])
def test_the_line_of_a_parameter_is_found(name: str | None, line: int) -> None:
    assert functions.find_line("# GET /x\ndef f(a: int,\n      b: 'Nope'): ...", "f", name) == line
