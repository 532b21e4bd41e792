"""scheduled_report: Hasura's cron events through nginx, with Hasura's GraphQL behind the notebook."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from ariadne import MutationType, QueryType
from graphql import GraphQLError

from tests.support.graphql_server import ADMIN_SECRET, JUNK, GraphQLServer
from tests.support.stack import Stack, as_json
from tests.support.templates import (
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
from tests.support.waiting import eventually

PROJECT = "scheduled_report"
SECRET = "a-secret-shared-with-hasura"
SCHEMA = """
    scalar uuid
    scalar numeric
    scalar timestamptz
    type Query {
        purchase(where: purchase_bool_exp, order_by: [purchase_order_by!], limit: Int): [purchase!]!
        purchase_aggregate(where: purchase_bool_exp): purchase_aggregate!
    }
    type Mutation { insert_report_one(object: report_insert_input!, on_conflict: report_on_conflict): report }
    type purchase { id: Int!, product: String!, amount: numeric!, created_at: timestamptz! }
    type purchase_aggregate { aggregate: purchase_aggregate_fields }
    type purchase_aggregate_fields { count: Int!, sum: purchase_sum_fields }
    type purchase_sum_fields { amount: numeric }
    type report { id: uuid!, name: String!, period_start: timestamptz!, period_end: timestamptz!, body: String! }
    input purchase_bool_exp { created_at: timestamptz_comparison_exp }
    input timestamptz_comparison_exp { _gte: timestamptz, _lt: timestamptz }
    input purchase_order_by { amount: order_by, created_at: order_by }
    enum order_by { asc desc }
    input report_insert_input {
        id: uuid, name: String, period_start: timestamptz, period_end: timestamptz, body: String
    }
    input report_on_conflict { constraint: report_constraint!, update_columns: [report_update_column!]! }
    enum report_constraint { report_pkey }
    enum report_update_column { id name period_start period_end body }
"""
SOLD = [
    ("2026-11-21T05:59:59+00:00", "the day before", 1000),
    ("2026-11-21T06:00:00+00:00", "lamp", 20),
    ("2026-11-21T23:30:00+02:00", "desk", 250.5),
    ("2026-11-22T05:59:59+00:00", "pen", 2),
    ("2026-11-22T06:00:00+00:00", "the day after", 1000),
]
REPORT = """\
# daily_report, 2026-11-21 06:00 to 2026-11-22 06:00 UTC

3 purchases, 272.5 in all.

The largest:

- desk: 250.5
- lamp: 20
- pen: 2
"""


class Database:
    """The tables behind Hasura: what was sold, and the reports by their id."""

    def __init__(self) -> None:
        self.reports: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.query = QueryType()
        self.query.set_field("purchase", self._purchases)
        self.query.set_field("purchase_aggregate", self._aggregate)
        self.mutation = MutationType()
        self.mutation.set_field("insert_report_one", self._insert)

    def _between(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        start, end = (datetime.fromisoformat(where["created_at"][name]) for name in ("_gte", "_lt"))
        sales = [(product, amount) for at, product, amount in SOLD if start <= datetime.fromisoformat(at) < end]
        return [{"product": product, "amount": amount} for product, amount in sales]

    def _purchases(self, *_: Any, where: dict[str, Any], order_by: Any, limit: int) -> list[dict[str, Any]]:
        assert order_by == [{"amount": "desc"}]
        return sorted(self._between(where), key=lambda row: row["amount"], reverse=True)[:limit]

    def _aggregate(self, *_: Any, where: dict[str, Any]) -> dict[str, Any]:
        rows = self._between(where)
        return {"aggregate": {"count": len(rows), "sum": {"amount": sum(row["amount"] for row in rows) or None}}}

    def _insert(self, *_: Any, object: dict[str, Any], on_conflict: dict[str, Any]) -> dict[str, Any] | None:
        assert on_conflict == {"constraint": "report_pkey", "update_columns": []}
        try:
            UUID(object["id"])
        except ValueError:
            raise GraphQLError("invalid input syntax for type uuid", extensions={"code": "data-exception"}) from None
        with self._lock:
            is_new = object["id"] not in self.reports
            return self.reports.setdefault(object["id"], object) if is_new else None


@pytest.fixture(scope="module")
def database() -> Database:
    return Database()


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[GraphQLServer]:
    with GraphQLServer(SCHEMA, database.query, database.mutation) as server:
        yield server


@pytest.fixture(scope="module")
def stack(server: GraphQLServer) -> Iterator[Stack]:
    settings = {"GRAPHQL_ENDPOINT": server.url, "ADMIN_SECRET": ADMIN_SECRET, "WEBHOOK_SECRET": SECRET}
    with serving(PROJECT, **settings, GRAPHQL_TIMEOUT="5") as stack:
        yield stack


@pytest.fixture
def hasura(server: GraphQLServer, database: Database) -> Iterator[GraphQLServer]:
    """Hasura as it is when all is well, with no report in its table."""
    database.reports.clear()
    server.requests.clear()
    yield server
    server.mode, server.admin_secret = "well", ADMIN_SECRET
    server.start()


def run(stack: Stack, event: Any, **headers: str) -> requests.Response:
    return deliver(stack, "run", event, **{"X-Webhook-Secret": SECRET, **headers})


def result(answer: requests.Response) -> str:
    """What became of an event that is not to be delivered again."""
    return str(json_answer(answer)["result"])


def cron(**changes: Any) -> dict[str, Any]:
    return {**payload("cron"), **changes}


def test_the_report_of_the_day_before_is_stored_under_the_id_of_the_event(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    event = cron()

    assert result(run(stack, event)) == "stored"

    assert database.reports == {
        event["id"]: {
            "id": event["id"],
            "name": "daily_report",
            "period_start": "2026-11-21T06:00:00+00:00",
            "period_end": "2026-11-22T06:00:00+00:00",
            "body": REPORT,
        }
    }


def test_an_event_that_is_delivered_twice_makes_one_report(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    assert [result(run(stack, cron())) for _ in range(2)] == ["stored", "stored before"]
    assert len(database.reports) == 1


def test_an_event_that_is_delivered_many_times_at_once_makes_one_report(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    with ThreadPoolExecutor(20) as callers:
        results = list(callers.map(lambda _: result(run(stack, cron())), range(20)))

    assert sorted(results) == ["stored"] + ["stored before"] * 19
    assert len(database.reports) == 1


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"payload": {"days": 7}}, "2026-11-15T06:00:00+00:00"),
        ({"payload": {}}, "2026-11-21T06:00:00+00:00"),
        ({"payload": None}, "2026-11-21T06:00:00+00:00"),
        ({"scheduled_time": "2026-11-22T08:00:00+02:00"}, "2026-11-21T06:00:00+00:00"),
        ({"scheduled_time": "2026-11-22T06:00:00"}, "2026-11-21T06:00:00+00:00"),
        ({"name": None}, "2026-11-21T06:00:00+00:00"),
    ],
)
def test_the_period_ends_when_the_event_was_due_and_is_as_long_as_the_payload_says(
    stack: Stack, hasura: GraphQLServer, database: Database, changes: dict[str, Any], start: str
) -> None:
    assert result(run(stack, cron(**changes))) == "stored"

    [report] = database.reports.values()
    assert (report["period_start"], report["period_end"]) == (start, "2026-11-22T06:00:00+00:00")


def test_a_one_off_scheduled_event_which_has_no_name_makes_a_report_too(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    assert result(run(stack, payload("scheduled_event"))) == "stored"

    [report] = database.reports.values()
    assert report["body"] == REPORT.replace("daily_report", "report")


def test_a_day_on_which_nothing_was_sold_has_a_report_too(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    assert result(run(stack, cron(scheduled_time="2026-01-01T06:00:00Z"))) == "stored"

    [report] = database.reports.values()
    assert report["body"].endswith("UTC\n\n0 purchases, 0 in all.\n")


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ("no object", "body: Input should be an object"),
        ({"payload": payload("cron")}, "id: Field required"),
        (cron(payload="weekly"), "payload: Input should be an object"),
        (cron(payload={"days": "7"}), "payload.days: Input should be a valid integer"),
        (cron(payload={"days": 0}), "payload.days: Input should be greater than or equal to 1"),
        (cron(payload={"days": True}), "payload.days: Input should be a valid integer"),
        (cron(scheduled_time="at six"), "scheduled_time: Input should be a valid datetime"),
        (cron(scheduled_time="0001-01-01T00:00:00Z"), "scheduled_time: Value error, the year is out of range"),
    ],
)
def test_a_body_that_is_no_cron_event_is_refused_with_the_reason(
    stack: Stack, hasura: GraphQLServer, event: Any, complaint: str
) -> None:
    assert complaint in invalid_input(run(stack, event))

    assert hasura.requests == []


def test_an_event_that_the_database_refuses_is_kept_in_the_log_and_not_delivered_again(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    assert result(run(stack, cron(id="no-uuid"))) == "put aside: invalid input syntax for type uuid"

    wait_for_log(stack, "put aside: event 'no-uuid'")
    assert database.reports == {}


@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_not_json_is_refused(stack: Stack, hasura: GraphQLServer, body: bytes) -> None:
    invalid_input(deliver_bytes(stack, "run", body, **{"X-Webhook-Secret": SECRET}))


def test_while_hasura_is_down_the_event_is_to_be_delivered_again_and_then_makes_its_report(
    stack: Stack, hasura: GraphQLServer, database: Database
) -> None:
    hasura.stop()
    assert "TransportConnectionFailed" in retry_reason(run(stack, cron()))
    assert database.reports == {}

    hasura.start()

    assert result(run(stack, cron())) == "stored"


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        ("slow", "no answer from Hasura within 5 s"),
        ("refusing", "TransportServerError"),
        ("erroring", "database query error"),
    ],
)
def test_an_event_that_hasura_does_not_take_now_is_to_be_delivered_again(
    stack: Stack, hasura: GraphQLServer, database: Database, mode: Any, complaint: str
) -> None:
    hasura.mode = mode
    assert complaint in retry_reason(run(stack, cron()))
    wait_for_log(stack, complaint)
    assert database.reports == {}

    hasura.mode = "well"

    assert result(run(stack, cron())) == "stored"


@pytest.mark.parametrize("junk", JUNK)
def test_an_answer_that_is_not_hasuras_puts_no_event_aside(
    stack: Stack, hasura: GraphQLServer, database: Database, junk: str
) -> None:
    hasura.mode, hasura.junk = "junk", JUNK[junk]
    assert retry_reason(run(stack, cron())).startswith("Hasura ")

    hasura.mode = "well"

    assert result(run(stack, cron())) == "stored"


def test_slow_reports_keep_no_other_request_waiting(stack: Stack, hasura: GraphQLServer) -> None:
    hasura.mode = "slow"
    with ThreadPoolExecutor(20) as callers:
        slow = [callers.submit(run, stack, cron()) for _ in range(20)]
        eventually(lambda: len(hasura.requests) == 20, what="twenty questions to Hasura at once")
        invalid_input(run(stack, {}))
        hasura.mode = "well"
        assert {answer.result().status_code for answer in slow} == {200}


def test_a_wrong_admin_secret_is_said_to_be_that(stack: Stack, hasura: GraphQLServer) -> None:
    hasura.admin_secret = "another-since-today"
    answer = run(stack, cron())

    assert "x-hasura-admin-secret" in retry_reason(answer)
    assert ADMIN_SECRET not in stack.log() + answer.text


def test_without_settings_it_is_served_and_names_what_is_missing() -> None:
    with serving_bare(PROJECT, GRAPHQL_ENDPOINT="http://127.0.0.1:9/v1/graphql") as api:
        assert "ADMIN_SECRET is not set" in retry_reason(deliver(api, "run", cron()))


@pytest.mark.parametrize("guess", ["", "a-guess"])
def test_a_caller_without_the_shared_secret_is_refused(stack: Stack, hasura: GraphQLServer, guess: str) -> None:
    answer = run(stack, cron(), **{"X-Webhook-Secret": guess})

    assert answer.status_code == 401
    assert "X-Webhook-Secret" in as_json(answer)["message"]
    assert hasura.requests == []


def test_its_cells_run_from_top_to_bottom_in_jupyter(
    server: GraphQLServer, hasura: GraphQLServer, database: Database, tmp_path: Path
) -> None:
    [call] = python_blocks(f"{PROJECT}/server.ipynb")
    peers = {"GRAPHQL_ENDPOINT": server.url, "ADMIN_SECRET": ADMIN_SECRET, "WEBHOOK_SECRET": SECRET}

    outputs = run_in_jupyter(PROJECT, tmp_path, more=call, **peers)

    assert [output["data"]["text/plain"] for output in outputs] == ["Result(result='stored')"]
    assert [report["body"] for report in database.reports.values()] == [REPORT.replace("daily_report", "report")]
