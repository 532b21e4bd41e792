"""docs/hasura.md: what Hasura makes of each answer, by Hasura's rules and with answers of the real stack."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import requests
import yaml

from control.config.settings import Settings
from tests.support.hasura_caller import act, pause
from tests.support.stack import API_USER, ROOT, Stack

TYPES = "type Query { ask(how: String!): Answer! }\ntype Answer { text: String! }"
HANDLER = [
    "import asyncio, json, os, flask",
    """# POST /handle
# timeout: 2
how = json.loads(REQUEST)["body"]["input"]["how"]
match how:
    case "prints too much":
        print("looking it up")
    case "is a list":
        flask.Response("[]", content_type="application/json")
    case "refuses":
        flask.abort(404, "no such thing")
    case "raises":
        raise RuntimeError("a bug")
    case "dies":
        os._exit(1)
    case "asks for a pause":
        flask.abort(503, "not now", retry_after=7)
    case "takes too long":
        await asyncio.sleep(60)  # longer than the stack's REQUEST_TIMEOUT
print(json.dumps([] if how == "is a list" else {"text": "well"}))
""",
]
AGAIN, PAUSE, DONE = "retried as `retry_conf` says", "retried after those seconds", "done"
INTERNAL = "`internal error`"


class Row(NamedTuple):
    """A row of the document's table: how to get such an answer, and what the caller of an Action is told."""

    how: str
    event: str
    action_message: str  # in the document
    message: str  # by Hasura


ROWS = {
    "2xx": Row("answers", DONE, "the result; if it is not one JSON document of the declared type, an error", ""),
    '4xx with `message`, also from `flask.abort(404, "…")`': Row(
        "refuses", AGAIN, "the message and the `extensions`", "no such thing"
    ),
    "401: the header is wrong": Row("wrong password", AGAIN, "the message", "A user and a password are required"),
    "500: a cell raised": Row("raises", AGAIN, INTERNAL, "internal error"),
    "502: a cell ended its kernel": Row("dies", "the same", INTERNAL, "internal error"),
    "503 with `Retry-After`: the queue is full, no kernel": Row("asks for a pause", PAUSE, INTERNAL, "internal error"),
    "503 without: no notebook is served": Row("nothing served", AGAIN, INTERNAL, "internal error"),
    "504: longer than `REQUEST_TIMEOUT`": Row("takes too long", AGAIN, INTERNAL, "internal error"),
    "no answer within Hasura's timeout": Row(
        "gives up", AGAIN, "`http exception when calling webhook`", "http exception when calling webhook"
    ),
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        stack.start()
        stack.serve("handler", HANDLER)
        yield stack


def call(stack: Stack, body: dict[str, Any]) -> requests.Response:
    """As Hasura calls, in the circumstances that the body's input names."""
    how = body["input"]["how"]
    if how == "nothing served":
        assert stack.stop_api().status_code == 200
    try:
        return stack.invoke(
            "handle",
            "POST",
            auth=(API_USER[0], "a-wrong-password") if how == "wrong password" else API_USER,
            json={**body, "input": {"how": "takes too long" if how == "gives up" else how}},
            timeout=0.5 if how == "gives up" else 30,
        )
    finally:
        if how == "nothing served":
            assert stack.start_api("handler").status_code == 200


def table() -> dict[str, list[str]]:
    """The document's table: the other cells of each row by its first one."""
    text = (ROOT / "docs" / "hasura.md").read_text().partition("## What Hasura makes of an answer")[2]
    rows = re.search(r"^\|---.*\n((?:\|.*\n)+)", text, re.M)
    assert rows
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows[1].splitlines()]
    return {first: others for first, *others in cells}


def test_each_line_of_the_documents_table_is_tested_here() -> None:
    assert {first: [row.event, row.action_message] for first, row in ROWS.items()} == table()


@pytest.mark.parametrize("name", ROWS)
def test_an_action_gets_what_the_document_says(stack: Stack, name: str) -> None:
    row = ROWS[name]

    actual = act(
        TYPES, "query ($how: String!) { ask(how: $how) { text } }", lambda body: call(stack, body), how=row.how
    )

    if row.message:
        [error] = actual["errors"]
        assert row.message in error["message"]
        assert ("code" in error.get("extensions", {})) == row.action_message.startswith("the message")
    else:
        assert actual == {"data": {"ask": {"text": "well"}}}


@pytest.mark.parametrize(
    ("how", "message"),
    [("prints too much", "not a valid json response from webhook"), ("is a list", "expecting object")],
)
def test_an_action_whose_answer_is_not_of_the_declared_type_gets_an_error(stack: Stack, how: str, message: str) -> None:
    actual = act(TYPES, f'{{ ask(how: "{how}") {{ text }} }}', lambda body: call(stack, body))

    assert message in actual["errors"][0]["message"]


@pytest.mark.parametrize("name", ROWS)
def test_an_event_is_delivered_again_when_the_document_says_so(stack: Stack, name: str) -> None:
    row = ROWS[name]
    try:
        answer = call(stack, {"input": {"how": row.how}})
    except requests.Timeout:
        answer = None

    first, last = (pause(answer, tries, retries=3, interval=10) for tries in (0, 3))

    expected = {DONE: (None, None), AGAIN: (10, None), "the same": (10, None), PAUSE: (7, 7)}
    assert (first, last) == expected[row.event]


def metadata() -> list[Any]:
    """The documents in YAML that the page gives to paste."""
    text = (ROOT / "docs" / "hasura.md").read_text()
    blocks = re.findall(r"\n((?:    (?:event_triggers|actions|- name)[^\n]*\n)(?:    [^\n]*\n)+)", text)
    return [yaml.safe_load(block) for block in blocks]


def test_the_timeouts_in_the_documents_metadata_fit_the_limit_of_a_request() -> None:
    events, actions, crons = metadata()
    ours = Settings.from_env({}).request_timeout

    for trigger in events["event_triggers"]:
        assert trigger["retry_conf"]["timeout_sec"] == ours + 10
    for trigger in crons:
        assert trigger["retry_conf"]["timeout_seconds"] == ours + 10
    for action in actions["actions"]:
        assert action["definition"]["timeout"] == 30


@pytest.mark.parametrize("number", range(3))
def test_the_documents_metadata_take_the_address_and_the_password_from_hasuras_environment(number: int) -> None:
    entries = metadata()[number]
    [entry] = entries if isinstance(entries, list) else next(iter(entries.values()))
    hook = entry.get("webhook") or entry["definition"]["handler"]
    headers = entry.get("headers") or entry["definition"]["headers"]

    assert hook.startswith("{{NOTEBOOK_API_URL}}/")
    assert {"name": "Authorization", "value_from_env": "NOTEBOOK_API_AUTH"} in headers
