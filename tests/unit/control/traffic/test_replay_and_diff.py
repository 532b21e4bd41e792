"""What Replay sends, how bodies are shown, and what is said of two answers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from control.config.errors import ReplayError
from control.config.settings import Settings
from control.traffic import replay as module
from control.traffic.counters import Counters
from control.traffic.diff import Comparison, pretty
from control.traffic.exchange import Body, Exchange, Message
from control.traffic.history import History
from control.traffic.replay import content, is_masked, without_masked
from control.web.app import create_app, take

EVIL = "<img src=x onerror=alert(1)>"


def record(**changes: Any) -> dict[str, Any]:
    nothing = {"size": 0, "cut": False, "text": ""}
    message = {"headers": [["Content-Type", "application/json"]], "body": {"size": 2, "cut": False, "text": "{}"}}
    return {
        "at": 1_700_000_000.5,
        "seconds": 0.0125,
        "method": "POST",
        "path": "/invoke/a?b=1",
        "endpoint": "/a",
        "status": 200,
        "request_id": "r1",
        "request": message,
        "response": message,
        "stderr": nothing,
        "traceback": nothing,
        **changes,
    }


def call(**changes: Any) -> Exchange:
    return Exchange.from_json("1", record(**changes))


def answered(text: str, **changes: Any) -> Exchange:
    body = {"size": len(text), "cut": False, "text": text}
    return call(response={"headers": [["Content-Type", "text/plain"]], "body": body}, **changes)


# -- what is kept


def test_the_last_200_are_kept_the_newest_first_whoever_told_of_them() -> None:
    inspector = History()
    inspector.add(record(at=float(number), request_id=f"odd-{number}") for number in range(1, 400, 2))
    inspector.add(record(at=float(number), request_id=f"even-{number}") for number in range(0, 400, 2))
    assert [found.at for found in inspector.calls()] == [float(number) for number in range(399, 199, -1)]
    newest = inspector.calls()[0]
    assert inspector.find(newest.id) == newest
    assert inspector.find("nothing") is None


def test_numbers_of_another_program_mean_no_call_here() -> None:
    first, second = History(), History()
    for one in (first, second):
        one.add([record()])
    assert second.find(first.calls()[0].id) is None


@pytest.mark.parametrize("bad", [{}, {"path": 1}, {"at": 1.0, "more": 2}, [], None])
def test_a_record_that_is_none_is_refused_as_a_whole(bad: Any) -> None:
    inspector = History()
    with pytest.raises((KeyError, TypeError, ValueError)):
        inspector.add([record(), bad])
    assert inspector.calls() == []


# -- what is sent again


@pytest.mark.parametrize(
    ("path", "target", "left_out"),
    [
        ("/invoke/a", "/invoke/a", []),
        ("/invoke/a?b=1&c", "/invoke/a?b=1&c", []),
        ("/invoke/a?token=***&b=1", "/invoke/a?b=1", ["token"]),
        ("/invoke/a?token=***", "/invoke/a", ["token"]),
        ("/invoke/a%2Fb?q=%20", "/invoke/a%2Fb?q=%20", []),
    ],
)
def test_a_masked_parameter_is_left_out(path: str, target: str, left_out: list[str]) -> None:
    assert without_masked(path) == (target, left_out)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (None, True),
        ("https://x/y?***", True),
        ("/y?b=1&token=***", True),
        ("/y?token=***&b=1", True),
        ("/y#token=***", True),
        ("</y?token=***>; rel=next", True),
        ("", False),
        ("https://x/y?b=1", False),
        ("*/*;q=***", False),
        ("are *** stars?", False),
    ],
)
def test_a_header_is_masked_when_a_part_of_it_is(value: str | None, answer: bool) -> None:
    assert is_masked(value) is answer


def test_a_body_is_sent_as_it_came_also_one_that_is_no_text() -> None:
    assert content(call()) == b"{}"
    binary = {"headers": [], "body": {"size": 2, "cut": False, "base64": "AP8="}}
    assert content(call(request=binary)) == b"\x00\xff"


def test_a_body_that_was_cut_is_not_sent() -> None:
    cut = {"headers": [], "body": {"size": 5_000_000, "cut": True, "text": "x"}}
    with pytest.raises(ReplayError, match="5,000,000 bytes only the beginning"):
        content(call(request=cut))


# -- how it is shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'),
        ('{"n":1.5,"big":123456789012345678901234567890}',
         '{\n  "n": 1.5,\n  "big": 123456789012345678901234567890\n}'),
        ('{"n":0.12345678901234567890}', '{"n":0.12345678901234567890}'),
        ("{broken", "{broken"),
        ("plain", "plain"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)  # fmt: skip
def test_json_gets_its_lines_and_all_else_stays(text: str, shown: str) -> None:
    assert pretty(Message([], Body(len(text), False, text))) == shown


def test_what_is_no_text_is_not_shown() -> None:
    assert pretty(Message([], Body(1, False, base64="/w=="))) is None


def test_the_same_answer_is_called_the_same_whatever_its_request_id() -> None:
    before = answered('{"request_id": "r1"}', request_id="r1")
    assert Comparison(before, answered('{"request_id": "r2"}', request_id="r2")).differences == []


def test_what_differs_is_named_and_its_lines_are_marked() -> None:
    comparison = Comparison(answered('{"a": 1, "b": 2}'), answered('{"a": 1, "b": 3, "c": 4}', status=201))
    assert comparison.differences == ["status", "body"]
    old, new = comparison.rows
    assert [kind for kind, _ in old] == ["same", "same", "changed", "gap", "same"]
    assert [line for kind, line in new if kind == "changed"] == ['  "b": 3,', '  "c": 4']


def test_headers_that_differ_are_named_but_not_those_of_each_call() -> None:
    before, after = call(), call()
    after.response.headers[:] = [("content-type", "text/plain"), ("Content-Length", "2"), ("X-New", "1")]
    found = Comparison(before, after).changed_headers
    assert found == [("content-type", "application/json", "text/plain"), ("x-new", None, "1")]


def test_bodies_of_many_lines_are_compared_in_little_time() -> None:
    many = "\n".join(str(number % 7) for number in range(50_000))
    old, new = Comparison(answered(many), answered(many + "\nmore")).rows
    assert (len(old), len(new)) == (50_000, 50_001)


# -- over HTTP


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    (tmp_path / "htpasswd-api").write_text("hasura:x\n")
    settings = replace(Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)}), run_dir=tmp_path)
    monkeypatch.setattr(module, "TOLD_WITHIN", 0)
    return create_app(settings, resume=False).test_client()


def add(client: FlaskClient, **changes: Any) -> str:
    inspector: History = client.application.extensions["inspector"]
    batch = {"bounds": [1.0], "requests": [], "kernel_deaths": 0, "records": [record(**changes)]}
    take(json.loads(json.dumps(batch)), inspector, Counters())
    return inspector.calls()[0].id


def test_a_list_and_one_call_are_told_as_json(client: FlaskClient) -> None:
    number = add(client)
    (short,) = client.get("/process/requests").json["requests"]
    assert short == {
        "id": number,
        "time": "2023-11-14T22:13:20.500+00:00",
        "method": "POST",
        "path": "/invoke/a?b=1",
        "endpoint": "/a",
        "status": 200,
        "milliseconds": 12.5,
        "request_size": 2,
        "response_size": 2,
        "request_id": "r1",
        "refused": False,
    }
    whole = client.get(f"/process/requests/{number}").json
    assert whole["response"]["body"]["text"] == "{}"
    missing = client.get("/process/requests/nothing")
    assert (missing.status_code, "no longer stored" in missing.json["message"]) == (404, True)


def test_nothing_that_a_caller_sends_becomes_markup(client: FlaskClient) -> None:
    body = {"size": 9, "cut": False, "text": EVIL}
    text = {"size": 9, "cut": True, "text": EVIL}
    message = {"headers": [[EVIL, EVIL], ["Content-Type", EVIL]], "body": body}
    number = add(client, method=EVIL, path=f"/invoke/{EVIL}", endpoint=EVIL, request_id=EVIL, request=message,
                 response=message, stderr=text, traceback=text)  # fmt: skip
    for path in ("/requests", f"/requests/{number}", f"/requests?text={EVIL}"):
        page = client.get(path).text
        assert "img src=x" in page
        assert "<img" not in page
    again = client.post(f"/requests/{number}")
    assert (again.status_code, "<img" in again.text) == (409, False)


def test_a_page_that_has_been_seen_is_not_sent_again(client: FlaskClient) -> None:
    add(client)
    seen = client.get("/requests").text.partition('name="seen" value="')[2].partition('"')[0]
    assert client.get(f"/requests?seen={seen}").status_code == 204
    add(client, at=1_800_000_000.0)
    assert client.get(f"/requests?seen={seen}").status_code == 200


@pytest.mark.parametrize("rows", ["0", "-5", "100000", "x"])
def test_a_number_of_rows_that_makes_no_sense_is_set_right(client: FlaskClient, rows: str) -> None:
    add(client)
    assert client.get(f"/requests?rows={rows}").status_code == 200


def test_a_replay_of_what_nobody_serves_is_told(client: FlaskClient) -> None:
    answer = client.post(f"/process/requests/{add(client)}/replay")
    assert (answer.status_code, answer.json["message"]) == (409, "Nothing is being served. Start the API first.")


def test_a_replay_that_another_site_causes_is_refused(client: FlaskClient) -> None:
    number = add(client)
    for path in (f"/process/requests/{number}/replay", f"/requests/{number}"):
        assert client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
