"""What a real kernel tells of its requests: bodies, stderr, tracebacks, counts; and what it keeps to itself."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.traffic.batch_server import BatchServer
from gateway.records.record import BODY_LIMIT, TEXT_LIMIT
from tests.support.arbiter import Arbiter, eventually, notebook, serving
from tests.support.records import RecordLog

NOTEBOOK = r"""
import asyncio, flask, json, logging, sys, time

# GET /said/:what
print('said')

# POST /echo
print(json.loads(REQUEST)['body'], end='')

# GET /aside
print('half a ', file=sys.stderr, end='')
print('line', file=sys.stderr)
sys.stderr.write('no end')
print('said')

# GET /chatty
for _ in range(1000):
    print('x' * 99, file=sys.stderr)

# GET /raise
raise ValueError('no such thing')

# GET /streamed
def pieces():
    for number in range(40):
        yield b'%04d' % number * 1000
flask.Response(pieces(), content_type='text/plain')

# GET /breaks
def pieces():
    yield b'first'
    raise ValueError('in the middle')
flask.Response(pieces())

# GET /cookie
flask.Response('x', headers={'Set-Cookie': 'session=hidden', 'X-Shown': 'yes', 'Location': '/?sig=hidden&a=1'})

# GET /binary
flask.Response(bytes([0, 255, 1]))

# GET /surrogate
flask.Response('x', headers={'X-Odd': 'caf\u00e9'})

# GET /waits
await asyncio.sleep(30)  # its caller leaves before
"""


@pytest.fixture(scope="module")
def arbiter_and_records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Arbiter, RecordLog]]:
    folder, record_log = tmp_path_factory.mktemp("records"), RecordLog()
    with BatchServer(folder / "r.sock", record_log.batches.append) as reception:
        reception.start()
        seed, endpoints = notebook(NOTEBOOK)
        with serving(folder, *endpoints, seed=seed, records=str(folder / "r.sock"), inspect=True) as arbiter:
            yield arbiter, record_log
        reception.shutdown()


@pytest.fixture
def api(arbiter_and_records: tuple[Arbiter, RecordLog]) -> Arbiter:
    return arbiter_and_records[0]


@pytest.fixture
def record_log(arbiter_and_records: tuple[Arbiter, RecordLog]) -> RecordLog:
    return arbiter_and_records[1]


def test_a_call_is_told_with_what_was_asked_and_answered(api: Arbiter, record_log: RecordLog) -> None:
    api.ask("GET", "/said/a?x=1", headers={"X-Request-Id": "whole", "X-Mine": "yes"})
    record = record_log.of("whole")
    assert (record["method"], record["path"], record["endpoint"]) == ("GET", "/invoke/said/a?x=1", "/said/:what")
    assert (record["status"], record["response"]["body"]) == (200, {"size": 5, "cut": False, "text": "said\n"})
    assert ["X-Mine", "yes"] in record["request"]["headers"]
    assert ["Content-Type", "text/plain; charset=utf-8"] in record["response"]["headers"]
    assert 0 < record["seconds"] < 20


def test_a_body_of_5_mb_is_cut_and_says_how_long_it_was(api: Arbiter, record_log: RecordLog) -> None:
    size = 5_000_000
    api.ask("POST", "/echo", b"ab" * (size // 2), {"X-Request-Id": "large", "Content-Type": "text/plain"})
    record = record_log.of("large")
    for body in (record["request"]["body"], record["response"]["body"]):
        assert (body["size"], body["cut"], len(body["text"])) == (size, True, BODY_LIMIT)


def test_a_cut_within_a_character_leaves_a_text(api: Arbiter, record_log: RecordLog) -> None:
    api.ask("POST", "/echo", ("x" + "é" * BODY_LIMIT).encode(), {"X-Request-Id": "cut", "Content-Type": "text/plain"})
    assert record_log.of("cut")["request"]["body"]["text"].endswith("é")


def test_what_is_no_text_is_told_as_base64(api: Arbiter, record_log: RecordLog) -> None:
    api.get("/binary", X_Request_Id="binary")
    assert record_log.of("binary")["response"]["body"] == {"size": 3, "cut": False, "base64": "AP8B"}


def test_stderr_is_told_even_where_it_ends_without_a_line_break(api: Arbiter, record_log: RecordLog) -> None:
    api.get("/aside", X_Request_Id="aside")
    assert record_log.of("aside")["stderr"]["text"] == "half a line\nno end\n"


def test_much_stderr_is_cut_and_says_so(api: Arbiter, record_log: RecordLog) -> None:
    api.get("/chatty", X_Request_Id="chatty")
    stderr = record_log.of("chatty")["stderr"]
    assert (stderr["size"], stderr["cut"], len(stderr["text"])) == (100_000, True, TEXT_LIMIT)


def test_a_failing_call_is_told_with_its_traceback(api: Arbiter, record_log: RecordLog) -> None:
    api.get("/raise", X_Request_Id="raised")
    record = record_log.of("raised")
    assert record["status"] == 500
    assert "ValueError: no such thing" in record["traceback"]["text"]
    assert json.loads(record["response"]["body"]["text"])["extensions"]["code"] == "cell-failed"


def test_of_a_streamed_body_the_beginning_is_told_and_the_size(api: Arbiter, record_log: RecordLog) -> None:
    api.get("/streamed", X_Request_Id="streamed")
    body = record_log.of("streamed")["response"]["body"]
    assert (body["size"], body["cut"], len(body["text"])) == (160_000, True, BODY_LIMIT)


def test_a_stream_that_breaks_off_is_told_with_its_traceback(api: Arbiter, record_log: RecordLog) -> None:
    with pytest.raises(Exception, match=r"IncompleteRead|incomplete"):
        api.get("/breaks", X_Request_Id="broken")
    record = record_log.of("broken")
    assert record["response"]["body"]["text"] == "first"
    assert "in the middle" in record["traceback"]["text"]


def test_a_path_that_nothing_answers_is_told_without_an_endpoint(api: Arbiter, record_log: RecordLog) -> None:
    api.get("/nothing", X_Request_Id="nothing")
    record = record_log.of("nothing")
    assert (record["endpoint"], record["status"]) == (None, 404)


def test_to_head_no_body_was_answered(api: Arbiter, record_log: RecordLog) -> None:
    api.ask("HEAD", "/said/x", headers={"X-Request-Id": "head"})
    record = record_log.of("head")
    assert (record["method"], record["response"]["body"].get("text")) == ("HEAD", "")


def test_a_caller_who_leaves_is_told_as_499(api: Arbiter, record_log: RecordLog) -> None:
    sock = api.connect()
    sock.sendall(b"GET /invoke/waits HTTP/1.1\r\nHost: x\r\nX-Request-Id: left\r\n\r\n")
    eventually(lambda: api.workers[0].state().running, "a cell that waits")
    sock.close()
    assert record_log.of("left")["status"] == 499


def test_secrets_stay_in_the_kernel(api: Arbiter, record_log: RecordLog) -> None:
    secret_headers = {
        "Authorization": "Basic hidden",
        "Proxy-Authorization": "hidden",
        "Cookie": "hidden",
        "X-Hasura-Admin-Secret": "hidden",
        "X-Api-Key": "hidden",
        "X-Auth": "hidden",
        "X-Amz-Security-Token": "hidden",
        "My-Password": "hidden",
        "Ocp-Apim-Subscription-Key": "hidden",
        "X-Session-Id": "hidden",
    }
    headers = {"X-Request-Id": "masked", "X-Author": "shown", "Referer": "https://x/y?a=hidden", **secret_headers}
    api.ask("GET", "/cookie?to%6ben=hidden&api_key=hidden&key=shown&token&sig=hidden", headers=headers)
    record = record_log.of("masked")
    assert "hidden" not in json.dumps(record)
    assert record["path"] == "/invoke/cookie?to%6ben=***&api_key=***&key=shown&token&sig=***"
    fields = dict(record["request"]["headers"])
    assert {name: fields[name] for name in ("Cookie", "X-Hasura-Admin-Secret", "X-Api-Key", "X-Auth")} == dict.fromkeys(
        ("Cookie", "X-Hasura-Admin-Secret", "X-Api-Key", "X-Auth")
    )
    assert (fields["X-Author"], fields["Referer"]) == ("shown", "https://x/y?***")
    assert dict(record["response"]["headers"])["Set-Cookie"] is None
    assert dict(record["response"]["headers"])["X-Shown"] == "yes"
    assert dict(record["response"]["headers"])["Location"] == "/?sig=***&a=1"


def test_characters_of_all_kinds_are_told(api: Arbiter, record_log: RecordLog) -> None:
    api.raw(
        b"GET /invoke/surrogate?%C3%BC=%C3%A9 HTTP/1.1\r\nHost: x\r\nX-Request-Id: odd\r\nX-Odd: \xff\r\n"
        b"Connection: close\r\n\r\n"
    )
    record = record_log.of("odd")
    assert dict(record["request"]["headers"])["X-Odd"] == "ÿ"
    assert record["path"].endswith("?%C3%BC=%C3%A9")
    assert ["X-Odd", "caf\u00e9"] in record["response"]["headers"]


def test_every_request_is_counted_while_records_are_only_the_last(api: Arbiter, record_log: RecordLog) -> None:
    before = record_log.count("/said/:what", 200)
    for _ in range(1500):
        api.get("/said/x")
    eventually(lambda: record_log.count("/said/:what", 200) == before + 1500, "1500 more counted")
    assert all(len(batch["records"]) <= 200 for batch in record_log.batches)


def test_what_could_not_be_told_is_told_later_and_the_end_waits_for_it(tmp_path: Path) -> None:
    record_log, address = RecordLog(), tmp_path / "r.sock"
    seed, endpoints = notebook(NOTEBOOK)
    with serving(tmp_path, *endpoints, seed=seed, records=str(address), inspect=True) as arbiter:
        for number in range(300):
            assert arbiter.get(f"/said/{number}").status == 200
        with BatchServer(address, record_log.batches.append) as reception:
            reception.start()
            arbiter.get("/said/late", X_Request_Id="late")
            arbiter.workers[0].send({"do": "drain"})
            assert arbiter.workers[0].receive() == {"did": "drained"}
            reception.shutdown()
    assert record_log.count("/said/:what", 200) == 301
    assert len(record_log.records) == 200
    assert record_log.records[-1]["request_id"] == "late"


def test_without_the_inspector_only_counts_leave_the_kernel(tmp_path: Path) -> None:
    record_log, address = RecordLog(), tmp_path / "r.sock"
    with BatchServer(address, record_log.batches.append) as reception:
        reception.start()
        seed, endpoints = notebook(NOTEBOOK)
        with serving(tmp_path, *endpoints, seed=seed, records=str(address), inspect=False) as arbiter:
            arbiter.post("/echo", {"of": "mine"})
            eventually(lambda: record_log.count("/echo", 200), "a count")
        reception.shutdown()
    assert record_log.records == []
    assert "mine" not in json.dumps(record_log.batches)


def test_bodies_that_nobody_fetches_stay_few(tmp_path: Path) -> None:
    seed, endpoints = notebook(NOTEBOOK)
    with serving(tmp_path, *endpoints, seed=seed, records=str(tmp_path / "nobody"), inspect=True) as arbiter:
        body = os.urandom(1_000_000).hex().encode()
        for _ in range(5):
            arbiter.post("/echo", body, "text/plain")
        before = arbiter.workers[0].rss_kb()
        for _ in range(100):
            arbiter.post("/echo", body, "text/plain")
        assert arbiter.workers[0].rss_kb() - before < 20_000
