"""Notebooks that do not run: what the person is told, and that what was served before goes on."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.notebooks import notebook_text
from tests.support.stack import Stack, as_json
from tests.support.waiting import eventually

ENDPOINT = "# GET /x\nprint('x')"

# The notebook's cells, and of the failure: cell, line, name, and a part of its value. None: not told.
FAILING: dict[str, tuple[list[str], int | None, int | None, str | None, str | None]] = {
    "a syntax error": (["a = 1", "b = 2\ndef f(:\n    pass"], 2, 2, "SyntaxError", None),
    "a cell that raises": (["a = 1", "b = 2\nraise ValueError('no luck')"], 2, 2, "ValueError", "no luck"),
    "a function that raises": (["def f():\n    raise KeyError('k')", "\n\nf()"], 2, 3, "KeyError", "k"),
    "a missing module": (["import no_such_module"], 1, 1, "ModuleNotFoundError", "no_such_module"),
    "a cell that calls exit()": (["a = 1", "exit()"], 2, None, None, "exit()"),
    "a cell that ends its process": (["a = 1", "import os\nos._exit(1)"], 2, None, None, None),
    "two functions of one path": (
        ["# GET /y/:a\ndef f(a: str): ...", "# GET /y/:b\n\ndef g(b: str): ..."],
        2,
        3,
        "DuplicateEndpoint",
        "cell 1",
    ),
    "a function that cannot be bound": (["# GET /y\ndef f(a: int,\n      *args): ..."], 1, 3, "CannotBind", "*args"),
    "an annotation that does not exist": (["# GET /y\ndef f(a: Nope): ..."], 1, 2, "NameError", "Nope"),
    "a cell that waits for input": (["a = 1", "input('name? ')"], 2, 1, None, "input"),
}


def assert_told(stack: Stack, answer: Any, project: str) -> dict[str, Any]:
    """That the 422 has all its fields, and the status keeps them; returns its error."""
    assert answer.status_code == 422, answer.text
    body = as_json(answer)
    error: dict[str, Any] = body["error"]
    assert set(error) == {"cell", "line", "name", "value", "traceback", "source", "file_line"}
    assert project in body["message"]
    assert error["name"]
    assert error["value"]
    last_error = stack.status()["last_error"]
    assert last_error["notebook"] == project
    assert {name: last_error[name] for name in error} == error
    return error


@pytest.mark.parametrize("case", FAILING)
def test_a_start_that_fails_tells_the_cell_the_line_and_why(idle_stack: Stack, case: str) -> None:
    cells, cell, line, name, value = FAILING[case]
    idle_stack.write("broken", [*cells, ENDPOINT])

    error = assert_told(idle_stack, idle_stack.start_api("broken"), "broken")

    assert error["cell"] == cell
    assert line is None or error["line"] == line
    assert name is None or error["name"] == name
    assert value is None or value in error["value"]
    if line is not None:
        assert error["name"] in error["traceback"]
        assert "\x1b" not in error["traceback"]
    status = idle_stack.status()
    assert (status["state"], status["slot"]) == ("failed", None)
    assert idle_stack.invoke("x").status_code == 503


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "print(1)",
        "[]",
        "{}",
        "\0",
        '{"cells": 7}',
        '{"cells": [], "nbformat": 99}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": [], "cells": []}',
    ],
)
def test_a_file_that_is_no_notebook_is_told(idle_stack: Stack, text: str) -> None:
    idle_stack.write_text("broken", text)

    error = assert_told(idle_stack, idle_stack.start_api("broken"), "broken")

    assert error["cell"] is None
    assert "not a notebook" in error["value"]


def test_a_bad_setting_of_the_project_is_told_and_its_repair_counts(idle_stack: Stack) -> None:
    own_settings = idle_stack.write("ill_set", [ENDPOINT]).with_name("api.toml")
    own_settings.write_text("kernels = 0\n")

    error = assert_told(idle_stack, idle_stack.start_api("ill_set"), "ill_set")

    assert error["value"] == "api.toml: kernels is '0': give a whole number from 1 to 64."
    assert error["value"].replace("'", "&#39;") in idle_stack.get("/").text
    own_settings.write_text("kernels = 1\n")
    assert idle_stack.start_api("ill_set").status_code == 200


@pytest.mark.parametrize("cells", [[], ["a = 1"]], ids=str)
def test_a_notebook_without_an_endpoint_is_told(idle_stack: Stack, cells: list[str]) -> None:
    idle_stack.write("broken", cells)

    assert_told(idle_stack, idle_stack.start_api("broken"), "broken")


def test_a_kernel_that_is_not_installed_is_told_by_its_name(idle_stack: Stack) -> None:
    idle_stack.write("fortran", [ENDPOINT], kernelspec="fortran-77")

    error = assert_told(idle_stack, idle_stack.start_api("fortran"), "fortran")

    assert "fortran-77" in error["value"]


def test_after_a_failure_the_repaired_notebook_starts_and_the_error_is_gone(idle_stack: Stack) -> None:
    idle_stack.write("repaired", ["1 / 0", ENDPOINT])
    assert idle_stack.start_api("repaired").status_code == 422
    idle_stack.write("repaired", [ENDPOINT])

    assert idle_stack.start_api("repaired").status_code == 200

    assert idle_stack.status()["last_error"] is None
    assert idle_stack.invoke("x").text.strip() == "x"


def test_a_restart_that_fails_leaves_the_old_one_serving_and_says_so(stack: Stack) -> None:
    stack.serve("shop", ["# GET /version\nprint(1)"])
    before = stack.gateway()
    stack.write("shop", ["# GET /version\nprint(2)", "raise RuntimeError('not yet')"])

    answer = stack.restart_api()

    error = assert_told(stack, answer, "shop")
    assert (error["cell"], error["name"]) == (2, "RuntimeError")
    assert "goes on serving" in as_json(answer)["message"]
    status = stack.status()
    assert (status["state"], status["notebook"]) == ("serving", "shop")
    assert stack.invoke("version").text.strip() == "1"
    assert before.is_running()
    assert len([p for p in stack.processes() if "-m gateway" in p.command]) == 1


def test_a_restart_with_an_unknown_project_leaves_the_old_one_serving(stack: Stack) -> None:
    stack.serve("shop", ["# GET /version\nprint(1)"])

    assert stack.restart_api("nowhere").status_code == 404

    assert stack.invoke("version").text.strip() == "1"


def test_a_stop_cancels_a_start_promptly(idle_stack: Stack) -> None:
    idle_stack.write("endless", ["import time\ntime.sleep(600)", ENDPOINT])
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(idle_stack.start_api, "endless")
        eventually(lambda: idle_stack.status()["state"] == "starting", 10, "a start")
        eventually(lambda: any("ipykernel" in p.command for p in idle_stack.processes()), 10, "a kernel")
        start = time.monotonic()

        assert idle_stack.stop_api().status_code == 200

        assert time.monotonic() - start < 20  # by itself it would be START_TIMEOUT
        assert future.result(20).status_code == 409
    assert idle_stack.status()["state"] == "stopped"
    assert not [p for p in idle_stack.processes() if "-m gateway" in p.command or "ipykernel" in p.command]


def test_the_log_has_tracebacks_and_what_cells_write_to_stderr(stack: Stack) -> None:
    stack.serve(
        "noisy",
        [
            "import sys\nprint('seeding, to stderr', file=sys.stderr)",
            "# GET /warn\nprint('a warning, to stderr', file=sys.stderr)\nprint('body')",
            "# GET /fail\ndef inner():\n    raise LookupError('no such thing')\ninner()",
        ],
    )

    warning, failure = stack.invoke("warn"), stack.invoke("fail")

    assert (warning.status_code, warning.text.strip()) == (200, "body")
    assert failure.status_code == 500
    # What a cell prints takes its way through two processes.
    eventually(lambda: "a warning, to stderr" in stack.api_log(), 5, "stderr in the log")
    eventually(lambda: "no such thing" in stack.api_log(), 5, "the traceback in the log")
    log = stack.api_log()
    assert "Traceback" in log
    assert "LookupError" in log
    assert "inner()" in log
    assert "seeding, to stderr" in log
    assert "\x1b" not in log


def test_the_log_has_why_a_notebook_does_not_run(stack: Stack) -> None:
    stack.write("broken", ["raise OSError('disk on fire')", ENDPOINT])
    assert stack.restart_api("broken").status_code == 422

    eventually(lambda: "disk on fire" in stack.api_log(), 5, "the traceback in the log")


def test_the_log_is_cut_to_the_lines_asked_for(stack: Stack) -> None:
    assert len(stack.api_log(lines=3).splitlines()) == 3
    assert stack.get("/process/logs?lines=many").status_code == 400


def test_a_notebook_without_a_kernel_name_is_served_with_python(stack: Stack) -> None:
    text = notebook_text([ENDPOINT]).replace('"kernelspec"', '"nothing"')
    stack.write_text("nameless", text)

    assert stack.restart_api("nameless").status_code == 200
    assert stack.invoke("x").text.strip() == "x"
