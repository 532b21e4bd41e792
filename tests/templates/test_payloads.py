"""The bodies in tests/templates/payloads have the fields that Hasura v2 sends."""

import json
from typing import Any

import pytest

from tests.support.templates import PAYLOADS

EVENT = {"id", "created_at", "trigger", "table", "event", "delivery_info"}
EVENT_EVENT = {"op", "data", "session_variables", "trace_context"}
ACTION = {"action", "input", "session_variables", "request_query"}
CRON = {"id", "name", "scheduled_time", "payload", "comment"}
ONE_OFF = {"id", "scheduled_time", "payload", "created_at"}
FILES = {path.stem: json.loads(path.read_text()) for path in PAYLOADS.glob("*.json")}


@pytest.mark.parametrize("name", FILES)
def test_a_body_has_hasuras_fields_at_its_top_level(name: str) -> None:
    body = FILES[name]
    if "event" in body:
        check_event(body)
    elif "action" in body:
        assert body.keys() == ACTION
        assert body["action"].keys() == {"name"}
        assert body["action"]["name"] in body["request_query"]
        assert all(key == key.lower() and key.startswith("x-hasura-") for key in body["session_variables"])
    else:
        assert body.keys() in (CRON, ONE_OFF)


def check_event(body: dict[str, Any]) -> None:
    event = body["event"]
    assert (body.keys(), event.keys(), event["data"].keys()) == (EVENT, EVENT_EVENT, {"old", "new"})
    assert body["delivery_info"].keys() == {"current_retry", "max_retries"}
    assert body["table"].keys() == {"schema", "name"}
    assert body["trigger"].keys() == {"name"}
    nulls = [name for name in ("old", "new") if event["data"][name] is None]
    assert nulls == {"INSERT": ["old"], "MANUAL": ["old"], "UPDATE": [], "DELETE": ["new"]}[event["op"]]


def test_there_is_a_body_of_each_kind() -> None:
    operations = {body["event"]["op"] for body in FILES.values() if "event" in body}

    assert operations == {"INSERT", "UPDATE", "DELETE", "MANUAL"}
    assert None in [body["event"]["session_variables"] for body in FILES.values() if "event" in body]


def test_the_source_of_each_file_is_named() -> None:
    text = (PAYLOADS / "README.md").read_text()
    full_text = text.replace("`book_*.json`", " ".join(f"`{name}.json`" for name in FILES if name.startswith("book_")))

    assert [name for name in FILES if f"`{name}.json`" not in full_text] == []
