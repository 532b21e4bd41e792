"""A notebook in another language than Python: stock's path, healed and timed as the engine is."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.support import processes
from tests.support.notebooks import Markdown, notebook
from tests.support.slot import Answer, Slot
from tests.support.waiting import eventually

CELLS = [
    'greet() { echo "hi $1"; }',
    Markdown("## A greeting\n\nIn *bash*."),
    "# GET /hi/:name\ngreet bash",
    '# POST /echo\necho "$REQUEST"',
    "# GET /endless\nwhile true; do sleep 0.1; done",
    "# GET /dies\nkill -9 $PPID",
    "# GET /slow\nsleep 0.5; echo slow",
    "# GET /made\necho '{}'",
    '# ResponseInfo GET /made\necho \'{"status": 201, "headers": {"Content-Type": "application/json"}}\'',
    "# GET /made-badly\necho x",
    "# ResponseInfo GET /made-badly\necho no json",
]


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slot]:
    folder = tmp_path_factory.mktemp("jupyter")
    spec = folder / "kernels" / "bash" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Bash", "language": "bash", "env": {"PS1": "$"}}))
    path = folder / "server.ipynb"
    content = notebook(CELLS, "bash")
    content["metadata"]["language_info"] = {"name": "bash"}
    path.write_text(json.dumps(content))
    with Slot(path=Path(path), JUPYTER_PATH=str(folder), REQUEST_TIMEOUT="3", QUEUE_LIMIT="3") as slot:
        yield slot


def test_its_cells_answer(bash: Slot) -> None:
    assert bash.get("/hi/there").text == "hi bash\n"
    assert bash.post_json("/echo", {"a": 1}).json()["body"] == {"a": 1}


def test_response_info_sets_status_and_headers(bash: Slot) -> None:
    made = bash.get("/made")
    assert (made.status, made.headers["content-type"]) == (201, "application/json")


def test_a_response_info_that_prints_no_json_is_an_error(bash: Slot) -> None:
    answer = bash.get("/made-badly")
    assert (answer.status, answer.json()["extensions"]["code"]) == (500, "bad-response-info")


def test_a_cell_without_end_is_ended_and_the_next_request_is_answered(bash: Slot) -> None:
    answer = bash.get("/endless")
    assert (answer.status, answer.json()["extensions"]["code"]) == (504, "timeout")
    assert bash.get("/hi/there").text == "hi bash\n"


def test_a_kernel_that_dies_fails_its_request_and_is_replaced_and_seeded(bash: Slot) -> None:
    deaths = bash.status()["kernel_deaths"]
    answer = bash.get("/dies")
    assert (answer.status, answer.json()["extensions"]["code"]) == (502, "kernel-died")
    assert bash.get("/hi/there").text == "hi bash\n"
    eventually(lambda: bash.status()["kernel_deaths"] == deaths + 1, 10)


def test_a_kernel_that_died_while_idle_fails_no_request(bash: Slot) -> None:
    kernels = [process for process in processes.running() if str(bash.home) in process.command]
    kernel = next(process for process in kernels if "bash_kernel" in process.command)
    os.kill(kernel.pid, signal.SIGKILL)
    eventually(lambda: processes.has_ended(kernel.pid), 5, "its end")
    assert bash.get("/hi/there").text == "hi bash\n"


def test_more_requests_than_may_wait_are_refused(bash: Slot) -> None:
    def call(_: int) -> Answer | None:
        try:
            return bash.get("/slow")
        except BlockingIOError:  # the backlog is full too: nginx makes a 503 of it
            return None

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(call, range(10)))
    served = [answer for answer in answers if answer and answer.status == 200]
    refused = [answer for answer in answers if answer and answer.status == 503]
    assert len(served) >= 4, "one runs, three wait"
    assert len(served) + len(refused) + answers.count(None) == 10
    assert len(served) < 10
    assert all("retry-after" in answer.headers for answer in refused)


def test_its_endpoints_are_documented(bash: Slot) -> None:
    answer = bash.get("/_api/spec/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["info"]["title"] == "test"
    assert set(document["paths"]) == {"/hi/{name}", "/echo", "/endless", "/dies", "/slow", "/made", "/made-badly"}
    greeting = document["paths"]["/hi/{name}"]["get"]
    assert (greeting["summary"], greeting["description"]) == ("A greeting", "In *bash*.")
    assert set(document["paths"]["/made"]["get"]["responses"]) == {"2XX", "default"}
    assert bash.get("/_api/spec/swagger.json").json()["swagger"] == "2.0"


def test_an_unknown_path_and_method_are_refused_as_json(bash: Slot) -> None:
    assert bash.get("/nothing").status == 404
    assert bash.request("DELETE", "/echo").status == 405
