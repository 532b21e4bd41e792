"""event_trigger_etl: Hasura's events through nginx, with Hasura's GraphQL behind the notebook."""

import functools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from ariadne import MutationType
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphql_server import ADMIN_SECRET, JUNK, GraphQLServer
from tests.support.stack import ROOT, Stack, as_json
from tests.support.templates import (
    AT_ONCE,
    NOT_JSON,
    deliver,
    deliver_bytes,
    invalid_input,
    json_answer,
    payload,
    python_blocks,
    retry_reason,
    run_in_jupyter,
    serving,
    serving_bare,
    wait_for_log,
)

PROJECT = "event_trigger_etl"
SECRET = "a-secret-shared-with-hasura"
WATCHED = ("name", "email", "phone")
CLEAN = {
    "id": 42,
    "name": "ada Lovelace",
    "email": "ada@example.com",
    "phone": "+4402079460991",
    "email_domain": "example.com",
}
SCHEMA = """
    type Query { customer: [customer!]! }
    type Mutation { update_customer(where: customer_bool_exp!, _set: customer_set_input): customer_mutation_response }
    type customer { id: Int!, name: String, email: String, phone: String, email_domain: String }
    type customer_mutation_response { affected_rows: Int! }
    input Int_comparison_exp { _eq: Int, _is_null: Boolean }
    input String_comparison_exp { _eq: String, _is_null: Boolean }
    input customer_bool_exp {
        id: Int_comparison_exp, name: String_comparison_exp, email: String_comparison_exp,
        phone: String_comparison_exp, email_domain: String_comparison_exp
    }
    input customer_set_input { id: Int, name: String, email: String, phone: String, email_domain: String }
"""


class Customers:
    """The table behind Hasura, with one update at a time, as in a database."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.bindable = MutationType()
        self.bindable.set_field("update_customer", self._update)

    def _update(self, *_: Any, where: dict[str, dict[str, Any]], _set: dict[str, Any]) -> dict[str, int]:
        with self._lock:
            rows = [row for row in self.rows.values() if all(matches(row[name], how) for name, how in where.items())]
            for row in rows:
                row.update(_set)
            return {"affected_rows": len(rows)}


def matches(value: Any, how: dict[str, Any]) -> bool:
    """Whether a column's value meets one of Hasura's comparisons."""
    assert len(how) == 1
    return value is None if "_is_null" in how else value == how["_eq"]


@pytest.fixture(scope="module")
def customers() -> Customers:
    return Customers()


@pytest.fixture(scope="module")
def server(customers: Customers) -> Iterator[GraphQLServer]:
    with GraphQLServer(SCHEMA, customers.bindable) as server:
        yield server


@pytest.fixture(scope="module")
def stack(server: GraphQLServer) -> Iterator[Stack]:
    settings = {"GRAPHQL_ENDPOINT": server.url, "ADMIN_SECRET": ADMIN_SECRET, "WEBHOOK_SECRET": SECRET}
    with serving(PROJECT, **settings, GRAPHQL_TIMEOUT="10") as stack:
        yield stack


@pytest.fixture
def hasura(server: GraphQLServer, customers: Customers) -> Iterator[GraphQLServer]:
    """Hasura as it is when all is well, with an empty table."""
    customers.rows.clear()
    server.requests.clear()
    yield server
    server.mode, server.admin_secret = "well", ADMIN_SECRET
    server.error_code = "unexpected"
    server.start()


def handle(stack: Stack, event: Any, **headers: str) -> requests.Response:
    return deliver(stack, "handle_event", event, **{"X-Webhook-Secret": SECRET, **headers})


def result(answer: requests.Response) -> str:
    """What became of an event that is not to be delivered again."""
    return str(json_answer(answer)["result"])


def store_row(customers: Customers, event: dict[str, Any]) -> dict[str, Any]:
    """The event, with its row in the table as the event left it."""
    row = event["event"]["data"]["new"]
    customers.rows[row["id"]] = dict(row)
    return event


@pytest.mark.parametrize("name", ["event_insert", "event_insert_in_sql", "event_manual"])
def test_a_row_is_cleaned_and_written_back(
    stack: Stack, hasura: GraphQLServer, customers: Customers, name: str
) -> None:
    event = store_row(customers, payload(name))

    assert result(handle(stack, event)) == "written"

    assert customers.rows == {42: CLEAN}


def test_an_update_is_cleaned_and_written_back(stack: Stack, hasura: GraphQLServer, customers: Customers) -> None:
    event = store_row(customers, payload("event_update"))

    assert result(handle(stack, event)) == "written"

    assert customers.rows == {42: {**CLEAN, "email": "ada@lovelace.org", "email_domain": "lovelace.org"}}


def test_there_is_nothing_to_clean_in_a_row_that_was_deleted(stack: Stack, hasura: GraphQLServer) -> None:
    assert result(handle(stack, payload("event_delete"))) == "deleted"
    assert hasura.requests == []


def test_the_event_that_the_write_back_causes_writes_nothing_so_that_the_trigger_comes_to_rest(
    stack: Stack, hasura: GraphQLServer, customers: Customers
) -> None:
    event = store_row(customers, payload("event_insert"))
    handle(stack, event)
    update = payload("event_update")
    update["event"]["data"] = {"old": event["event"]["data"]["new"], "new": dict(customers.rows[42])}

    assert result(handle(stack, update)) == "clean"

    assert len(hasura.requests) == 1


def test_an_event_that_is_delivered_twice_is_written_once(
    stack: Stack, hasura: GraphQLServer, customers: Customers
) -> None:
    event = store_row(customers, payload("event_insert"))

    assert [result(handle(stack, event)) for _ in range(2)] == ["written", "outdated"]

    assert customers.rows == {42: CLEAN}


def test_an_event_that_is_delivered_many_times_at_once_is_written_once(
    stack: Stack, hasura: GraphQLServer, customers: Customers
) -> None:
    event = store_row(customers, payload("event_insert"))

    with ThreadPoolExecutor(20) as callers:
        results = list(callers.map(lambda _: result(handle(stack, event)), range(20)))

    assert sorted(results) == ["outdated"] * 19 + ["written"]
    assert customers.rows == {42: CLEAN}


def test_a_late_event_does_not_undo_a_later_change(stack: Stack, hasura: GraphQLServer, customers: Customers) -> None:
    late = store_row(customers, payload("event_insert"))
    later = {**CLEAN, "name": "Augusta Ada King"}
    customers.rows[42] = dict(later)

    assert result(handle(stack, late)) == "outdated"

    assert customers.rows == {42: later}


def test_a_row_that_is_gone_by_now_is_no_error(stack: Stack, hasura: GraphQLServer) -> None:
    assert result(handle(stack, payload("event_insert"))) == "outdated"


def test_null_columns_stay_null(stack: Stack, hasura: GraphQLServer, customers: Customers) -> None:
    event = payload("event_insert")
    event["event"]["data"]["new"] |= {"email": None, "phone": " - "}
    store_row(customers, event)

    assert result(handle(stack, event)) == "written"

    assert customers.rows == {42: {**CLEAN, "email": None, "phone": None, "email_domain": None}}


def test_as_many_events_as_hasura_delivers_at_once_are_all_handled_also_by_a_kernel_that_has_just_started(
    stack: Stack, hasura: GraphQLServer, customers: Customers
) -> None:
    events = []
    for number in range(AT_ONCE):
        event = deepcopy(payload("event_insert"))
        event["event"]["data"]["new"]["id"] = number
        events.append(store_row(customers, event))
    assert stack.restart_api().status_code == 200

    with ThreadPoolExecutor(AT_ONCE) as callers:
        results = list(callers.map(lambda event: result(handle(stack, event)), events))

    assert results == ["written"] * AT_ONCE
    assert customers.rows == {number: {**CLEAN, "id": number} for number in range(AT_ONCE)}


def with_row(**changes: Any) -> dict[str, Any]:
    event = payload("event_insert")
    event["event"]["data"]["new"] |= changes
    return event


def with_event(**event: Any) -> dict[str, Any]:
    return {**payload("event_insert"), "event": event}


def test_an_event_of_another_table_is_kept_in_the_log_and_not_delivered_again(
    stack: Stack, hasura: GraphQLServer
) -> None:
    event = {**payload("event_insert"), "table": {"schema": "public", "name": "invoice"}}

    assert "put aside: it is about the table invoice" in result(handle(stack, event))

    wait_for_log(stack, "about the table invoice")
    assert hasura.requests == []


NOT_AN_EVENT = {
    "event.op: Input should be 'INSERT', 'UPDATE'": with_event(op="TRUNCATE", data={"old": None, "new": None}),
    "event.data.new.phone: Input should be a valid string": with_row(phone=440207946),
    "event.data.new.email: Field required": with_event(
        op="INSERT", data={"old": None, "new": {"id": 1, "name": "", "phone": ""}}
    ),
    "event: Field required": {"payload": payload("event_insert")},
    "body: Input should be an object": ["a", "list"],
}


@pytest.mark.parametrize("complaint", NOT_AN_EVENT)
def test_a_body_that_is_no_event_of_the_table_is_refused_with_the_reason(
    stack: Stack, hasura: GraphQLServer, complaint: str
) -> None:
    assert complaint in invalid_input(handle(stack, NOT_AN_EVENT[complaint]))

    assert hasura.requests == []


@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_not_json_is_refused(stack: Stack, hasura: GraphQLServer, body: bytes) -> None:
    invalid_input(deliver_bytes(stack, "handle_event", body, **{"X-Webhook-Secret": SECRET}))


@pytest.mark.parametrize("code", ["constraint-violation", "data-exception"])
def test_a_row_that_the_database_refuses_is_a_poison_event(stack: Stack, hasura: GraphQLServer, code: str) -> None:
    hasura.mode, hasura.error_code = "erroring", code

    assert result(handle(stack, payload("event_insert"))) == "put aside: database query error"

    wait_for_log(stack, "put aside: event '85558393-c75d-4d2f-9c15-e80591b83894'")


def test_while_hasura_is_down_the_event_is_to_be_delivered_again_and_then_is_handled(
    stack: Stack, hasura: GraphQLServer, customers: Customers
) -> None:
    event = store_row(customers, payload("event_insert"))
    hasura.stop()
    assert "TransportConnectionFailed" in retry_reason(handle(stack, event))

    hasura.start()

    assert result(handle(stack, event)) == "written"


@pytest.mark.parametrize(
    ("mode", "complaint"), [("refusing", "TransportServerError"), ("erroring", "database query error")]
)
def test_an_event_that_hasura_does_not_take_now_is_to_be_delivered_again(
    stack: Stack, hasura: GraphQLServer, customers: Customers, mode: Any, complaint: str
) -> None:
    event = store_row(customers, payload("event_insert"))
    hasura.mode = mode
    assert complaint in retry_reason(handle(stack, event))
    wait_for_log(stack, complaint)

    hasura.mode = "well"

    assert result(handle(stack, event)) == "written"


@pytest.mark.parametrize("junk", JUNK)
def test_an_answer_that_is_not_hasuras_puts_no_event_aside(
    stack: Stack, hasura: GraphQLServer, customers: Customers, junk: str
) -> None:
    event = store_row(customers, payload("event_insert"))
    hasura.mode, hasura.junk = "junk", JUNK[junk]
    assert retry_reason(handle(stack, event)).startswith("Hasura ")

    hasura.mode = "well"

    assert result(handle(stack, event)) == "written"


def test_a_write_back_whose_answer_comes_too_late_is_not_done_again(
    stack: Stack, hasura: GraphQLServer, customers: Customers
) -> None:
    event = store_row(customers, payload("event_insert"))
    hasura.mode = "slow"
    assert retry_reason(handle(stack, event)) == "no answer from Hasura within 10 s"

    hasura.mode = "well"

    assert result(handle(stack, event)) == "outdated"
    assert customers.rows == {42: CLEAN}


def test_a_slow_event_keeps_no_other_waiting(stack: Stack, hasura: GraphQLServer) -> None:
    hasura.mode = "slow"

    with ThreadPoolExecutor(20) as callers:
        slow = [callers.submit(handle, stack, payload("event_insert")) for _ in range(20)]
        assert result(handle(stack, payload("event_delete"))) == "deleted"
        assert {answer.result().status_code for answer in slow} == {503}


def test_a_wrong_admin_secret_is_said_to_be_that(stack: Stack, hasura: GraphQLServer) -> None:
    hasura.admin_secret = "another-since-today"
    answer = handle(stack, payload("event_insert"))

    assert "x-hasura-admin-secret" in retry_reason(answer)
    assert ADMIN_SECRET not in stack.log() + answer.text


def test_without_settings_it_is_served_needs_no_secret_and_names_what_is_missing() -> None:
    with serving_bare(PROJECT) as api:
        assert "GRAPHQL_ENDPOINT is not set" in retry_reason(deliver(api, "handle_event", payload("event_insert")))
        assert result(deliver(api, "handle_event", payload("event_delete"))) == "deleted"


@pytest.mark.parametrize("guess", ["", "a-guess", "é"])
def test_a_caller_without_the_shared_secret_is_refused(stack: Stack, hasura: GraphQLServer, guess: str) -> None:
    answer = handle(stack, payload("event_insert"), **{"X-Webhook-Secret": guess})

    assert answer.status_code == 401
    assert "Retry-After" not in answer.headers
    assert "X-Webhook-Secret" in as_json(answer)["message"]
    assert hasura.requests == []
    assert SECRET not in answer.text + stack.log()


def test_its_cells_run_from_top_to_bottom_in_jupyter(
    server: GraphQLServer, hasura: GraphQLServer, customers: Customers, tmp_path: Path
) -> None:
    store_row(customers, payload("event_insert"))

    [call] = python_blocks(f"{PROJECT}/server.ipynb")
    peers = {"GRAPHQL_ENDPOINT": server.url, "ADMIN_SECRET": ADMIN_SECRET, "WEBHOOK_SECRET": SECRET}

    outputs = run_in_jupyter(PROJECT, tmp_path, more=call, **peers)

    assert [output["data"]["text/plain"] for output in outputs] == [
        f"Customer({', '.join(f'{column}={value!r}' for column, value in CLEAN.items())})",
        "Result(result='written')",
    ]
    assert customers.rows == {42: CLEAN}


@functools.cache
def notebooks_names() -> dict[str, Any]:
    """What the notebook's ordinary cells define."""
    names: dict[str, Any] = {"__name__": "notebook"}
    folder = ROOT / "notebook" / PROJECT
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for cell in nbformat.read(folder / "server.ipynb", as_version=4).cells:
            if cell.cell_type == "code" and not cell.source.startswith("# POST"):
                exec(cell.source, names)  # noqa: S102 - our own notebook
    return names


TEXTS = st.none() | st.text() | st.from_regex(r"[ \t0-9+().@A-Za-zÄÖİΣß-]{0,20}", fullmatch=True)


@settings(deadline=None)
@given(row=st.fixed_dictionaries(dict.fromkeys(WATCHED, TEXTS)))
def test_cleaning_twice_changes_nothing(row: dict[str, str | None]) -> None:
    clean, customer = notebooks_names()["clean"], notebooks_names()["Customer"](id=1, **row)

    assert clean(clean(customer)) == clean(customer)
