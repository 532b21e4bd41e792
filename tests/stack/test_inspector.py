"""The last calls of the API and its metrics, with the real programs around them."""

import base64
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.support.notebooks import notebook
from tests.support.stack import API_USER, OWNER, Stack
from tests.support.waiting import eventually

CELLS = [
    "import asyncio, json, os, sys, time",
    "# POST /echo\nprint('heard', file=sys.stderr)\nprint(json.dumps(json.loads(REQUEST)['body']))",
    "# GET /fails/:how\nraise ValueError('no such ' + json.loads(REQUEST)['path']['how'])",
    "# POST /dies\nos._exit(1)",
    # Sleeps on through every interrupt, until its kernel is killed.
    "# GET /stuck\n# timeout: 0.3\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass",
    "# POST /size\nprint(len(REQUEST))",
    # Sleeps so that others have to queue behind it.
    "# GET /blocks\ntime.sleep(0.7)\nprint('done')",
]
CHANGED = [*CELLS[:1], "# POST /echo\nprint(json.dumps({'changed': json.loads(REQUEST)['body']}))", *CELLS[2:]]
TOKENS = [base64.b64encode(":".join(user).encode()).decode() for user in (OWNER, API_USER)]
SECRET = "a-secret-of-the-caller"


@pytest.fixture(scope="module")
def inspected_stack() -> Iterator[Stack]:
    """A stack with bash beside Python, which ends in time although it has seen all these calls."""
    with Stack(QUEUE_LIMIT="2", MAX_BODY_MB="6") as stack:
        spec = stack.home / "share" / "kernels" / "bash" / "kernel.json"
        spec.parent.mkdir(parents=True)
        command = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
        spec.write_text(json.dumps({"argv": command, "display_name": "Bash", "language": "bash", "env": {"PS1": "$"}}))
        stack.settings["JUPYTER_PATH"] = str(stack.home / "share")
        stack.start()
        stack.serve("inspected", CELLS)
        yield stack


def call_of(stack: Stack, request_id: str) -> dict[str, Any]:
    """The call with that request id, whole, once it is there."""
    number = eventually(lambda: next((c["id"] for c in stack.calls() if c["request_id"] == request_id), None))
    call: dict[str, Any] = stack.get(f"/process/requests/{number}").json()
    return call


def invoke(stack: Stack, path: str, request_id: str, method: str = "GET", **more: Any) -> requests.Response:
    headers = {"X-Request-Id": request_id, **more.pop("headers", {})}
    return stack.invoke(path, method, headers=headers, **more)


def metrics(stack: Stack) -> dict[str, float]:
    """Each sample that is not of a histogram, of all projects together, by its name and the values of its labels."""
    answer = stack.get("/process/metrics")
    assert answer.status_code == 200
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    sums: dict[str, float] = defaultdict(float)
    for sample in samples:
        labels = [value for name, value in sample.labels.items() if name != "project"]
        sums[" ".join([sample.name, *labels])] += sample.value
    return dict(sums)


def count_requests(stack: Stack, *kind: str) -> float:
    return metrics(stack).get(" ".join(["notebook_api_requests_total", *kind]), 0)


def test_a_call_is_there_at_once_with_its_body_and_stderr(inspected_stack: Stack) -> None:
    invoke(inspected_stack, "echo?a=1", "seen", "POST", json={"text": "ü"})
    call = call_of(inspected_stack, "seen")
    assert (call["method"], call["path"], call["status"]) == ("POST", "/invoke/echo?a=1", 200)
    assert call["endpoint"] == "/echo"
    assert json.loads(call["request"]["body"]["text"]) == {"text": "ü"}
    assert call["response"]["body"]["text"] == '{"text": "\\u00fc"}\n'
    assert call["stderr"]["text"] == "heard\n"
    assert call["request_size"] == call["request"]["body"]["size"] > 0
    assert inspected_stack.calls()[0]["request_id"] == "seen"


def test_a_failing_call_has_its_traceback(inspected_stack: Stack) -> None:
    invoke(inspected_stack, "fails/word", "failed")
    call = call_of(inspected_stack, "failed")
    assert call["status"] == 500
    assert "ValueError: no such word" in call["traceback"]["text"]


def test_a_call_that_ends_its_kernel_is_there_with_what_it_sent(inspected_stack: Stack) -> None:
    invoke(inspected_stack, "echo", "just-before", "POST", json={})
    answer = invoke(inspected_stack, "dies", "killer", "POST", json={"last": "words"}, headers={"X-Mine": "yes"})
    call = call_of(inspected_stack, "killer")
    assert (answer.status_code, call["status"], call["endpoint"]) == (502, 502, "/dies")
    assert json.loads(call["request"]["body"]["text"]) == {"last": "words"}
    assert ["X-Mine", "yes"] in call["request"]["headers"]
    assert "X-Failed-Method" not in dict(call["request"]["headers"])
    assert json.loads(call["response"]["body"]["text"]) == answer.json()
    assert answer.json()["extensions"]["code"] == "kernel-died"
    assert call_of(inspected_stack, "just-before")["status"] == 200


def test_a_call_that_could_not_be_interrupted_is_there(inspected_stack: Stack) -> None:
    assert invoke(inspected_stack, "stuck", "stuck").status_code == 504
    call = call_of(inspected_stack, "stuck")
    assert (call["status"], call["endpoint"]) == (504, "/stuck")
    assert call["milliseconds"] > 300


def test_calls_that_found_a_full_queue_are_there_and_counted(inspected_stack: Stack) -> None:
    eventually(lambda: inspected_stack.invoke("echo", "POST", json={}).status_code == 200)
    before = count_requests(inspected_stack, "/blocks", "GET", "503")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: invoke(inspected_stack, "blocks", f"many-{n}"), range(8)))
    refusal = [number for number, answer in enumerate(answers) if answer.status_code == 503]
    assert refusal
    assert call_of(inspected_stack, f"many-{refusal[0]}")["status"] == 503
    eventually(lambda: count_requests(inspected_stack, "/blocks", "GET", "503") == before + len(refusal))
    queue = metrics(inspected_stack).get("notebook_api_queue_length")
    assert queue in (0, None)


def test_200_calls_with_5_mb_are_all_there_cut_and_memory_stays(inspected_stack: Stack) -> None:
    body = os.urandom(2_500_000).hex().encode()

    def post(count: int) -> None:
        with inspected_stack.session() as session:
            for _ in range(count):
                answer = session.post(
                    f"{inspected_stack.url}/invoke/size", data=body, headers={"Content-Type": "text/plain"}
                )
                assert answer.status_code == 200

    post(20)
    before = sum(process.memory() for process in inspected_stack.processes())
    post(200)
    eventually(lambda: [call["request_size"] for call in inspected_stack.calls()] == [5_000_000] * 200, 20)
    newest, oldest = (
        inspected_stack.get(f"/process/requests/{inspected_stack.calls()[n]['id']}").json()["request"]["body"]
        for n in (0, 199)
    )
    assert (newest["size"], newest["cut"], len(newest["text"])) == (5_000_000, True, 65536)
    assert (oldest["size"], oldest["cut"]) == (5_000_000, True)
    assert body.startswith(oldest["text"].encode())
    assert sum(process.memory() for process in inspected_stack.processes()) - before < 60_000_000
    replay = inspected_stack.post(f"/process/requests/{inspected_stack.calls()[0]['id']}/replay")
    assert replay.status_code == 409
    assert "only the beginning is stored" in replay.json()["message"]


def test_a_call_with_a_wrong_password_is_there_without_its_secrets(inspected_stack: Stack) -> None:
    before = count_requests(inspected_stack, "other", "POST", "401")
    headers = {"X-Request-Id": "wrong-password", "User-Agent": "hasura-graphql-engine/v2"}
    url = f"{inspected_stack.url}/invoke/echo?token={SECRET}"
    answer = requests.post(url, auth=("somebody", SECRET), json={"told": SECRET}, headers=headers, timeout=30)
    assert answer.status_code == 401
    call = call_of(inspected_stack, "wrong-password")
    assert (call["method"], call["path"], call["status"], call["refused"]) == ("POST", "/invoke/echo", 401, True)
    assert ["User-Agent", "hasura-graphql-engine/v2"] in call["request"]["headers"]
    assert ["Authorization", None] in call["request"]["headers"]
    assert call["response"]["body"]["text"] == answer.text
    page = inspected_stack.get(f"/requests/{call['id']}").text
    assert "Rejected by nginx." in page
    assert SECRET not in page + json.dumps(call)
    assert "somebody" not in page + json.dumps(call)
    assert count_requests(inspected_stack, "other", "POST", "401") == before + 1
    replay = inspected_stack.post(f"/process/requests/{call['id']}/replay")
    assert replay.status_code == 409
    assert "nginx rejected this request" in replay.json()["message"]


def test_calls_that_are_too_large_or_find_nothing_served_are_there_and_counted(inspected_stack: Stack) -> None:
    before = [count_requests(inspected_stack, "other", *kind) for kind in (("POST", "413"), ("GET", "503"))]
    assert invoke(inspected_stack, "size", "too-large", "POST", data=b"x" * 7_000_000).status_code == 413
    call = call_of(inspected_stack, "too-large")
    assert (call["status"], call["request_size"]) == (413, 7_000_000)
    assert "larger than 6 MB" in call["response"]["body"]["text"]
    inspected_stack.stop_api()
    assert invoke(inspected_stack, "size", "nobody-there").status_code == 503
    assert "No notebook is being served" in call_of(inspected_stack, "nobody-there")["response"]["body"]["text"]
    after = [count_requests(inspected_stack, "other", *kind) for kind in (("POST", "413"), ("GET", "503"))]
    assert after == [count + 1 for count in before]
    inspected_stack.serve("inspected", CELLS)


def test_what_is_refused_elsewhere_is_no_call_of_the_api(inspected_stack: Stack) -> None:
    for path in ("process/status", "jupyter/api", ""):
        refusal = requests.get(f"{inspected_stack.url}/{path}", headers={"X-Request-Id": "elsewhere"}, timeout=30)
        assert refusal.status_code == 401
    trace = requests.request(
        "TRACE", f"{inspected_stack.url}/invoke/echo", headers={"X-Request-Id": "traced"}, timeout=30
    )
    assert trace.status_code == 405
    assert call_of(inspected_stack, "traced")["status"] == 405
    assert "elsewhere" not in {call["request_id"] for call in inspected_stack.calls()}


def test_whoever_tries_passwords_drives_out_no_call_that_was_answered(inspected_stack: Stack) -> None:
    invoke(inspected_stack, "echo", "stays", "POST", json={})
    number = call_of(inspected_stack, "stays")["id"]
    for attempt in range(250):
        requests.get(f"{inspected_stack.url}/invoke/echo", headers={"X-Request-Id": f"try-{attempt}"}, timeout=30)
    eventually(lambda: inspected_stack.calls()[0]["request_id"] == "try-249")
    assert number in {call["id"] for call in inspected_stack.calls()}
    assert len([call for call in inspected_stack.calls() if call["refused"]]) == 20


def test_secrets_are_in_no_record_and_on_no_page(inspected_stack: Stack) -> None:
    secrets = dict.fromkeys(("X-Hasura-Admin-Secret", "Cookie", "X-Api-Key", "X-Vendor-Token"), SECRET)
    invoke(inspected_stack, f"echo?access_token={SECRET}", "secretive", "POST", json={}, headers=secrets)
    call_of(inspected_stack, "secretive")  # after the many calls before, it may wait a moment
    invoke(inspected_stack, f"dies?password={SECRET}", "killer-with-secrets", "POST", json={}, headers=secrets)
    eventually(lambda: inspected_stack.invoke("echo", "POST", json={}).status_code == 200)
    for request_id in ("secretive", "killer-with-secrets"):
        number = call_of(inspected_stack, request_id)["id"]
        for path in ("/process/requests", f"/process/requests/{number}", "/requests", f"/requests/{number}", "/"):
            text = inspected_stack.get(path).text
            assert request_id in text or path == "/"
            for secret in (SECRET, OWNER[1], API_USER[1], *TOKENS):
                assert secret not in text, path


def test_replay_after_an_edit_shows_the_old_answer_and_the_new(inspected_stack: Stack) -> None:
    headers = {
        "Cookie": "a=b",
        "Referer": "https://x/y?a=hidden",
        "X-Original-Url": "/y?sid=hidden",
        "X-Mine": "/y?a=1",
    }
    invoke(inspected_stack, "echo?token=hidden&n=1", "again", "POST", json={"n": 1}, headers=headers)
    call = call_of(inspected_stack, "again")
    inspected_stack.serve("inspected", CHANGED)
    answer = inspected_stack.post(f"/process/requests/{call['id']}/replay").json()
    assert json.loads(answer["before"]["response"]["body"]["text"]) == {"n": 1}
    assert json.loads(answer["after"]["response"]["body"]["text"]) == {"changed": {"n": 1}}
    assert answer["left_out"] == ["token", "Cookie", "Referer", "X-Original-Url"]
    replay_headers = dict(answer["after"]["request"]["headers"])
    assert replay_headers["X-Mine"] == "/y?a=1"
    assert not {"Referer", "X-Original-Url"} & set(replay_headers)
    assert answer["after"]["path"] == "/invoke/echo?n=1"
    assert inspected_stack.calls()[0]["id"] == answer["after"]["id"]
    inspected_stack.serve("inspected", CELLS)


def test_a_body_that_is_no_text_is_sent_again_as_it_was(inspected_stack: Stack) -> None:
    body = bytes(range(256))
    invoke(inspected_stack, "echo", "binary", "POST", data=body, headers={"Content-Type": "application/json"})
    answer = inspected_stack.post(f"/process/requests/{call_of(inspected_stack, 'binary')['id']}/replay").json()
    assert base64.b64decode(answer["after"]["request"]["body"]["base64"]) == body
    assert answer["after"]["response"]["body"] == answer["before"]["response"]["body"]


def test_a_replay_that_ends_its_kernel_says_so(inspected_stack: Stack) -> None:
    invoke(inspected_stack, "dies", "dies-again", "POST", json={})
    number = call_of(inspected_stack, "dies-again")["id"]
    eventually(lambda: inspected_stack.status()["kernels"] == 1)
    after = inspected_stack.post(f"/process/requests/{number}/replay").json()["after"]
    assert json.loads(after["response"]["body"]["text"])["extensions"]["code"] == "kernel-died"
    eventually(lambda: inspected_stack.status()["kernels"] == 1)


def test_a_replay_that_another_site_causes_is_refused(inspected_stack: Stack) -> None:
    invoke(inspected_stack, "echo", "target", "POST", json={})
    number = call_of(inspected_stack, "target")["id"]
    for path in (f"/process/requests/{number}/replay", f"/requests/{number}"):
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}):
            assert inspected_stack.post(path, headers=headers).status_code == 403
    assert inspected_stack.get(f"/process/requests/{number}/replay").status_code == 405
    assert inspected_stack.post("/process/requests/nothing/replay").status_code == 404


def test_only_the_notebook_user_sees_requests_and_metrics(inspected_stack: Stack) -> None:
    for path in ("/process/requests", "/requests", "/process/metrics"):
        assert inspected_stack.get(path, auth=API_USER).status_code == 401
        assert inspected_stack.get(path, auth=OWNER).status_code == 200


def test_metrics_grow_over_calls_deaths_and_restarts_good_and_bad(inspected_stack: Stack) -> None:
    def now() -> dict[str, float]:
        return metrics(inspected_stack)

    counted = count_requests(inspected_stack, "/fails/:how", "GET", "500")
    invoke(inspected_stack, "fails/x", "counted")
    eventually(lambda: count_requests(inspected_stack, "/fails/:how", "GET", "500") > counted)
    before = now()
    invoke(inspected_stack, "fails/y", "counted-too")
    inspected_stack.invoke("made/up/path")
    inspected_stack.invoke("dies", "POST", json={})
    eventually(lambda: inspected_stack.status()["kernels"] == 1)
    inspected_stack.write("broken", ["1 / 0", "# GET /x\nprint()"])
    assert inspected_stack.restart_api("broken").status_code == 422
    assert inspected_stack.restart_api("inspected").status_code == 200
    inspected_stack.kill(inspected_stack.gateway())
    eventually(lambda: inspected_stack.invoke("size", "POST", data="x").status_code == 200, 20)
    grown = {
        "notebook_api_requests_total /fails/:how GET 500": 1,
        "notebook_api_requests_total other GET 404": 1,
        "notebook_api_requests_total /dies POST 502": 1,
        "notebook_api_kernel_deaths_total": 1,
        "notebook_api_restarts_total": 2,
        "notebook_api_failed_restarts_total": 1,
    }

    def growth() -> dict[str, float]:
        after = now()
        return {name: after.get(name, 0) - before.get(name, 0) for name in grown}

    eventually(lambda: growth() == grown, 10, str(growth()))
    after = now()
    assert all(after[name] >= value for name, value in before.items() if "_total" in name)
    eventually(lambda: (now()["notebook_api_up"], now()["notebook_api_kernels"]) == (1, 1))


def test_the_last_calls_of_a_stopped_slot_are_not_lost(inspected_stack: Stack) -> None:
    inspected_stack.serve("inspected", CELLS)
    before = count_requests(inspected_stack, "/echo", "POST", "200")
    with inspected_stack.session() as session:
        for _ in range(400):
            session.post(f"{inspected_stack.url}/invoke/echo", json={})
    inspected_stack.stop_api()
    eventually(lambda: count_requests(inspected_stack, "/echo", "POST", "200") == before + 400, 5)
    inspected_stack.serve("inspected", CELLS)


def test_calls_answered_while_the_control_app_was_away_are_told_to_the_next(inspected_stack: Stack) -> None:
    master = inspected_stack.process("control.web.app:create_app")
    worker = next(one for one in inspected_stack.processes() if one.command == master.command and one.pid != master.pid)
    inspected_stack.kill(master)
    with suppress(ProcessLookupError):  # it follows by itself a moment later
        inspected_stack.kill(worker)
    invoke(inspected_stack, "echo", "unheard", "POST", json={})
    eventually(inspected_stack.is_healthy, 20)
    assert call_of(inspected_stack, "unheard")["status"] == 200
    assert count_requests(inspected_stack, "/echo", "POST", "200") == 1


def test_without_the_inspector_nothing_is_kept_and_metrics_go_on(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(INSPECT="0").start()
    stack.serve("inspected", CELLS)
    stack.invoke("echo", "POST", json={"private": "words"})
    stack.invoke("dies", "POST", json={})
    eventually(lambda: count_requests(stack, "/echo", "POST", "200") == 1)
    eventually(lambda: count_requests(stack, "/dies", "POST", "502") == 1)
    requests.get(f"{stack.url}/invoke/echo", timeout=30)
    eventually(lambda: count_requests(stack, "other", "GET", "401") == 1)
    assert stack.get("/process/requests").json() == {"kept": False, "requests": []}
    assert "INSPECT is 0" in stack.get("/requests").text


def test_requests_of_two_apis_are_told_apart_and_a_replay_goes_to_its_own(inspected_stack: Stack) -> None:
    inspected_stack.serve("inspected", CELLS)
    invoke(inspected_stack, "echo?n=1", "of-inspected", "POST", json={"n": 1})
    number = call_of(inspected_stack, "of-inspected")["id"]
    inspected_stack.write("beside", ["# POST /echo\nprint('beside')"])
    assert inspected_stack.restart_api("beside").status_code == 200  # the default one from now on
    assert invoke(inspected_stack, "echo", "of-beside", "POST").text == "beside\n"
    requests.get(f"{inspected_stack.url}/invoke/x", timeout=30)  # nginx misses a control app that was killed only now
    requests.get(f"{inspected_stack.url}/apis/inspected/x", headers={"X-Request-Id": "rejected"}, timeout=30)
    requests.get(f"{inspected_stack.url}/apis/made-up/x", headers={"X-Request-Id": "astray"}, timeout=30)
    ids = ("of-inspected", "of-beside", "rejected", "astray")
    projects = [call_of(inspected_stack, request_id)["project"] for request_id in ids]
    assert projects == ["inspected", "beside", "inspected", None]
    of_beside = inspected_stack.get("/process/requests?notebook=beside").json()["requests"]
    assert [call["request_id"] for call in of_beside] == ["of-beside"]
    text = inspected_stack.get("/process/metrics").text
    assert [f'notebook_api_up{{project="{name}"}} 1.0' in text for name in ("inspected", "beside")] == [True, True]
    assert 'project="made-up"' not in text
    after = inspected_stack.post(f"/process/requests/{number}/replay").json()["after"]
    assert (after["project"], after["path"]) == ("inspected", "/invoke/echo?n=1")
    assert json.loads(after["response"]["body"]["text"]) == {"n": 1}
    inspected_stack.stop_api("inspected")
    replay = inspected_stack.post(f"/process/requests/{number}/replay")
    assert (replay.status_code, replay.json()["message"]) == (409, "inspected is not being served. Start it first.")
    inspected_stack.serve("inspected", CELLS)


def test_a_notebook_in_another_language_is_inspected_too(inspected_stack: Stack) -> None:
    content = notebook(["# POST /hi\necho hi", "# GET /dies\nkill -9 $PPID"], "bash")
    content["metadata"]["language_info"] = {"name": "bash"}
    inspected_stack.write_text("shell", json.dumps(content))
    assert inspected_stack.restart_api("shell").status_code == 200
    deaths, strays = (
        metrics(inspected_stack)["notebook_api_kernel_deaths_total"],
        count_requests(inspected_stack, "other", "GET", "404"),
    )
    invoke(inspected_stack, "hi", "bash-call", "POST", json={"a": 1}, headers={"Cookie": SECRET})
    call = call_of(inspected_stack, "bash-call")
    assert (call["status"], call["endpoint"], call["response"]["body"]["text"]) == (200, "/hi", "hi\n")
    assert json.loads(call["request"]["body"]["text"]) == {"a": 1}
    assert dict(call["request"]["headers"])["Cookie"] is None
    invoke(inspected_stack, "dies", "bash-dies")
    assert call_of(inspected_stack, "bash-dies")["status"] == 502
    eventually(lambda: metrics(inspected_stack)["notebook_api_kernel_deaths_total"] == deaths + 1)
    inspected_stack.invoke("nothing")
    eventually(lambda: count_requests(inspected_stack, "other", "GET", "404") == strays + 1)
    inspected_stack.serve("inspected", CELLS)


def test_a_call_that_no_kernel_could_take_is_there_with_its_reason(inspected_stack: Stack) -> None:
    once = inspected_stack.home / "once"
    inspected_stack.serve(
        "once",
        [
            "import os, pathlib",
            f"once = pathlib.Path({str(once)!r})\nassert not once.exists(), 'only once'\nonce.touch()",
            "# POST /dies\nos._exit(1)",
        ],
    )
    inspected_stack.invoke("dies", "POST", json={})
    eventually(lambda: "could not be started" in inspected_stack.log(), 20)
    answer = invoke(inspected_stack, "dies", "no-kernel", "POST", json={"a": 1}, headers={"Cookie": SECRET})
    assert (answer.status_code, answer.json()["extensions"]["code"]) == (503, "no-kernel")
    call = call_of(inspected_stack, "no-kernel")
    assert (call["status"], call["endpoint"], call["path"]) == (503, "/dies", "/invoke/dies")
    assert json.loads(call["request"]["body"]["text"]) == {"a": 1}
    assert "only once" in call["response"]["body"]["text"]
    assert dict(call["request"]["headers"])["Cookie"] is None
    inspected_stack.serve("inspected", CELLS)


def test_the_queue_is_as_long_as_calls_wait_for_the_kernel(inspected_stack: Stack) -> None:
    if "notebook_api_queue_length" not in metrics(inspected_stack):
        pytest.skip("this system does not tell how long a queue is")
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(inspected_stack.invoke, "blocks") for _ in range(3)]
        eventually(lambda: metrics(inspected_stack)["notebook_api_queue_length"] == 2, 5)
        assert all(one.result().status_code == 200 for one in waiting)
    eventually(lambda: metrics(inspected_stack)["notebook_api_queue_length"] == 0, 5)
