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

from control.traffic.batch_server import BatchServer
from tests.support import processes
from tests.support.notebooks import Markdown, notebook
from tests.support.records import RecordLog
from tests.support.slot import Answer, Slot
from tests.support.waiting import eventually

PRINT_BODY = 'import json, sys; print(json.load(sys.stdin)["body"])'
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
    "# POST /said\necho x",
    '# GET /key\necho "$KEY"',
    f"# ResponseInfo POST /said\nprintf %s \"$REQUEST\" | python3 -c '{PRINT_BODY}'",
]
BROKEN = "the-database-is-down"  # a file: while it is there, the first cell ends its kernel
HANGING = "the-database-is-silent"  # … or never ends


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slot]:
    folder = tmp_path_factory.mktemp("jupyter")
    spec = folder / "kernels" / "bash" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Bash", "language": "bash", "env": {"PS1": "$"}}))
    path = folder / "server.ipynb"
    first = f"[ -e {folder}/{BROKEN} ] && kill -9 $PPID; [ -e {folder}/{HANGING} ] && sleep 1000; true"
    content = notebook([first, *CELLS], "bash")
    path.write_text(json.dumps(content))
    (folder / ".env").write_text("KEY=of the project")
    settings = {"REQUEST_TIMEOUT": "5", "QUEUE_LIMIT": "3", "START_TIMEOUT": "15", "KG_STATIC_PATH": str(folder)}
    with Slot(path=Path(path), JUPYTER_PATH=str(folder), **settings) as slot:
        yield slot


def test_its_cells_answer(bash: Slot) -> None:
    answer = bash.get("/hi/there")
    assert (answer.text, answer.headers["content-type"]) == ("hi bash\n", "text/plain; charset=utf-8")
    assert bash.post_json("/echo", {"a": 1}).json()["body"] == {"a": 1}


def test_it_has_the_variables_of_its_project_which_are_no_public_file(bash: Slot) -> None:
    assert bash.get("/key").text == "of the project\n"
    assert bash.get("/public/server.ipynb").status == 200
    assert [bash.get(path).status for path in ("/public/.env", "/public/%2eenv")] == [404, 404]


def test_response_info_sets_status_and_headers(bash: Slot) -> None:
    answer = bash.get("/made")
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")


@pytest.mark.parametrize(
    "body",
    [
        "$(touch pwned) `touch pwned` ${HOME} $HOME",
        "it's \"quoted\" \\ \\\\ \n\t !! !ls #{1+1} @{[1]} é ☃ '; touch pwned; '",
        "x" * 50_000,
    ],
)
def test_nothing_in_a_request_is_run(bash: Slot, body: str) -> None:
    answer = bash.post("/echo", body.encode(), headers={"Content-Type": "text/plain", "X-Name": "$(touch pwned)"})
    assert answer.json()["body"] == body
    assert answer.json()["headers"]["X-Name"] == "$(touch pwned)"
    assert not list(bash.home.rglob("pwned"))


def test_a_response_info_that_prints_no_json_is_an_error(bash: Slot) -> None:
    answer = bash.get("/made-badly")
    assert (answer.status, answer.json()["extensions"]["code"]) == (500, "bad-response-info")
    assert answer.json()["message"] == "the ResponseInfo of GET /made-badly must print JSON, not 'no json\\n'"


@pytest.mark.parametrize(
    "output",
    [
        '{"status": "404"}',
        '{"status": 99}',
        '{"status": true}',
        '{"headers": {"X": "a\\r\\nSet-Cookie: x=1"}}',
        '{"headers": {"X\\nSet-Cookie": "x=1"}}',
        '{"headers": {"X": "☃"}}',
    ],
)
def test_a_response_info_that_makes_no_sense_is_named_and_nothing_injected(bash: Slot, output: str) -> None:
    answer = bash.post("/said", output.encode(), headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json()["extensions"]["code"]) == (500, "bad-response-info")
    assert answer.json()["message"].startswith("the ResponseInfo of POST /said ")
    assert "set-cookie" not in answer.headers


def test_a_response_info_cannot_break_the_framing(bash: Slot) -> None:
    answer = bash.post("/said", b'{"headers": {"Content-Length": 99}}', headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.text, answer.headers["content-length"]) == (200, "x\n", "2")
    empty = bash.post("/said", b'{"status": 204}', headers={"Content-Type": "text/plain"})
    assert (empty.status, empty.body) == (204, b"")


def test_what_is_no_text_is_refused_without_a_traceback(bash: Slot) -> None:
    for answer in (bash.post("/echo", b"\x89PNG\xff"), bash.post("/echo?a=%ff")):
        assert (answer.status, answer.json()["extensions"]["code"]) == (400, "bad-request")
        assert "traceback" not in answer.json()


def test_a_form_may_have_as_many_fields_as_in_python(bash: Slot) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert bash.post("/said", b"&".join([b"a=1"] * 5000), headers=headers).status == 500  # it prints no JSON
    answer = bash.post("/said", b"&".join([b"a=1"] * 10_001), headers=headers)
    assert (answer.status, answer.json()["extensions"]["code"]) == (413, "too-many-fields")
    part = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    assert bash.post("/said", part * 500 + b"--B--\r\n", headers=headers).status == 500
    assert bash.post("/said", part * 10_001 + b"--B--\r\n", headers=headers).status == 413


@pytest.mark.parametrize(("harm", "why"), [(BROKEN, "KernelDied"), (HANGING, "START_TIMEOUT")])
def test_while_no_kernel_can_be_brought_up_callers_are_told(bash: Slot, harm: str, why: str) -> None:
    marker = Path(bash.environment["JUPYTER_PATH"], harm)
    marker.touch()
    assert bash.get("/dies").status == 502
    refusal = bash.get("/hi/there")
    assert (refusal.status, refusal.json()["extensions"]["code"]) == (503, "no-kernel")
    assert why in refusal.json()["message"]
    assert refusal.headers["retry-after"] == "1"
    marker.unlink()
    eventually(lambda: bash.get("/hi/there").text == "hi bash\n", 60, "the API's return")


def test_a_cell_without_end_is_ended_and_the_next_request_is_answered(bash: Slot) -> None:
    answer = bash.get("/endless")
    assert (answer.status, answer.json()["extensions"]["code"]) == (504, "timeout")
    answer = bash.get("/hi/there")
    assert (answer.text, answer.headers["content-type"]) == ("hi bash\n", "text/plain; charset=utf-8")


def test_a_kernel_that_dies_fails_its_request_and_is_replaced_and_seeded(bash: Slot) -> None:
    deaths = bash.status()["kernel_deaths"]
    answer = bash.get("/dies")
    assert (answer.status, answer.json()["extensions"]["code"]) == (502, "kernel-died")
    answer = bash.get("/hi/there")
    assert (answer.text, answer.headers["content-type"]) == ("hi bash\n", "text/plain; charset=utf-8")
    eventually(lambda: bash.status()["kernel_deaths"] == deaths + 1, 10)


def test_a_kernel_that_died_while_idle_fails_no_request(bash: Slot) -> None:
    kernels = [process for process in processes.running() if str(bash.home) in process.command]
    kernel = next(process for process in kernels if "bash_kernel" in process.command)
    os.kill(kernel.pid, signal.SIGKILL)
    eventually(lambda: processes.has_ended(kernel.pid), 5, "its end")
    answer = bash.get("/hi/there")
    assert (answer.text, answer.headers["content-type"]) == ("hi bash\n", "text/plain; charset=utf-8")


def test_more_requests_than_may_wait_are_refused(bash: Slot) -> None:
    def call(_: int) -> Answer | None:
        try:
            return bash.get("/slow")
        except BlockingIOError:  # the backlog is full too: nginx makes a 503 of it
            return None

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(call, range(10)))
    successes = [answer for answer in answers if answer and answer.status == 200]
    refusal = [answer for answer in answers if answer and answer.status == 503]
    assert len(successes) >= 4, "one runs, three wait"
    assert len(successes) + len(refusal) + answers.count(None) == 10
    assert len(successes) < 10
    assert all("retry-after" in answer.headers for answer in refusal)


def test_its_endpoints_are_documented(bash: Slot) -> None:
    answer = bash.get("/_api/spec/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["info"]["title"] == "test"
    assert document["servers"] == [{"url": "/invoke"}]
    own = bash.get("/_api/spec/openapi.json", address="/apis/t%65st").json()
    assert own == {**document, "servers": [{"url": "/apis/test"}]}
    assert set(document["paths"]) == {
        "/hi/{name}",
        "/echo",
        "/key",
        "/endless",
        "/dies",
        "/slow",
        "/made",
        "/made-badly",
        "/said",
    }
    greeting = document["paths"]["/hi/{name}"]["get"]
    assert (greeting["summary"], greeting["description"]) == ("A greeting", "In *bash*.")
    assert set(document["paths"]["/made"]["get"]["responses"]) == {"2XX", "default"}
    assert bash.get("/_api/spec/swagger.json").json()["swagger"] == "2.0"


@pytest.mark.parametrize("address", ["/apis/test", "/apis/t%65st"])
def test_its_own_address_has_the_same_endpoints(bash: Slot, address: str) -> None:
    assert bash.get("/hi/there", address=address).text == "hi bash\n"
    assert bash.get("/public/server.ipynb", address=address).status == 200
    bad = bash.get("/made-badly", address=address).json()
    assert bad["message"] == "the ResponseInfo of GET /made-badly must print JSON, not 'no json\\n'"
    unknown = bash.get("/nothing", address=address)
    assert (unknown.status, unknown.json()["extensions"]["path"]) == (404, f"{address}/nothing")


def test_its_requests_are_told_with_its_project(bash: Slot) -> None:
    record_log = RecordLog()
    with BatchServer(bash.home / "records.sock", record_log.batches.append) as server:
        server.start()
        bash.get("/hi/there", address="/apis/t%65st", headers={"X-Request-Id": "told"})
        assert record_log.of("told")["endpoint"] == "/hi/:name"
        server.shutdown()
    assert {batch["project"] for batch in record_log.batches} == {"test"}


def test_an_unknown_path_and_method_are_refused_as_json(bash: Slot) -> None:
    for answer, status in ((bash.get("/nothing"), 404), (bash.request("DELETE", "/echo"), 405)):
        assert answer.status == status
        assert answer.json()["message"]
        assert answer.json()["extensions"]["path"].startswith("/invoke/")
