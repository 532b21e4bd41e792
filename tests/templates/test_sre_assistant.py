"""sre_assistant: an Action's question through nginx, to stand-ins for Hasura and a model, and ClickHouse's engine."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from nbclient.exceptions import CellExecutionError

from tests.support.clickhouse import ClickHouse
from tests.support.graphql_server import ADMIN_SECRET, JUNK, GraphQLServer
from tests.support.openai_server import API_KEY, OpenAIServer
from tests.support.stack import Stack, as_json
from tests.support.templates import (
    NOT_JSON,
    BareApi,
    ask_hasura,
    deliver,
    deliver_bytes,
    invalid_input,
    payload,
    python_blocks,
    run_in_jupyter,
    serving,
    serving_bare,
    wait_for_log,
)
from tests.support.waiting import eventually
from tests.templates import sre_hasura

PROJECT = "sre_assistant"
END = "2026-01-31T12:00:00Z"
PLAN: dict[str, Any] = {
    "tables": ["incidents", "deployments", "logs", "metrics"],
    "services": ["checkout", "payments"],
    "metrics": ["error_rate"],
    "levels": ["ERROR"],
    "since": "2026-01-31T08:00:00Z",
    "until": "2026-01-31T12:00:00Z",
}
STORY = "deployments: 2.4.0 by ada", "incidents: high: Alert", "no free connection to the bank", "2.3.9 by grace"


class Analyst:
    """What the model says: a plan, then an answer that cites the rows that tell the story."""

    answer = "payments 2.4.0 ran out of connections."

    def __init__(self) -> None:
        self.plan: Any = PLAN
        self.finding: Any = None
        self.rows: list[str] = []  # as it was shown them

    def __call__(self, request: dict[str, Any]) -> Any:
        schema = request["response_format"]["json_schema"]
        assert schema["strict"] is True
        if schema["name"] == "Plan":
            return self.plan
        self.rows = re.findall(r"^\[\d+\] (.*)", request["messages"][-1]["content"], re.M)
        if self.finding is not None:
            return self.finding
        numbers = [next(n for n, row in enumerate(self.rows) if part in row) for part in STORY]
        return {"answer": self.answer, "rows": numbers}


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The engine with the data that the project's own notebook makes."""
    with ClickHouse() as clickhouse:
        make_data(clickhouse, tmp_path_factory.mktemp("home"))
        yield clickhouse


def make_data(clickhouse: ClickHouse, home: Path, **settings: str) -> list[dict[str, Any]]:
    variables = {
        "CLICKHOUSE_URL": clickhouse.url,
        "CLICKHOUSE_USER": clickhouse.user,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "SYNTHETIC_END": END,
        **settings,
    }
    return run_in_jupyter(PROJECT, home, "synthetic_data.ipynb", **variables)


@pytest.fixture(scope="module")
def graphql(clickhouse: ClickHouse) -> Iterator[GraphQLServer]:
    with sre_hasura.serve(clickhouse) as server:
        yield server


@pytest.fixture(scope="module")
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def settings(graphql: GraphQLServer, openai: OpenAIServer) -> dict[str, str]:
    return {
        "GRAPHQL_ENDPOINT": graphql.url,
        "ADMIN_SECRET": ADMIN_SECRET,
        "OPENAI_BASE_URL": openai.url,
        "OPENAI_API_KEY": API_KEY,
    }


@pytest.fixture(scope="module")
def stack(settings: dict[str, str]) -> Iterator[Stack]:
    with serving(PROJECT, **settings, GRAPHQL_TIMEOUT="20") as stack:
        yield stack


@pytest.fixture
def hasura(graphql: GraphQLServer) -> Iterator[GraphQLServer]:
    """Hasura as it is when all is well."""
    graphql.requests.clear()
    yield graphql
    graphql.mode = "well"
    graphql.start()


@pytest.fixture
def model(openai: OpenAIServer) -> Iterator[OpenAIServer]:
    """The model's server as it is when all is well."""
    openai.requests.clear()
    yield openai
    openai.mode = "well"


@pytest.fixture
def analyst(model: OpenAIServer) -> Analyst:
    model.reply = analyst = Analyst()
    return analyst


def ask(stack: Stack | BareApi, body: Any = ..., **headers: str) -> requests.Response:
    return deliver(stack, "sre_query", payload("sre_action") if body is ... else body, **headers)


def read_answer(response: requests.Response) -> dict[str, Any]:
    """The Action's answer: exactly one JSON document, of the declared type."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer: dict[str, Any] = as_json(response)
    assert {name: type(value) for name, value in answer.items()} == {
        "answer": str,
        "since": str,
        "until": str,
        "evidence": list,
    }
    for row in answer["evidence"]:
        assert {name: type(value) for name, value in row.items()} == dict.fromkeys(
            ("table", "timestamp", "service", "detail"), str
        )
    return answer


def refusal(response: requests.Response, status: int = 424) -> str:
    """The message that Hasura passes on to its caller: it needs a 4xx, and JSON of this form."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    body = as_json(response)
    assert isinstance(body["extensions"]["code"], str)
    return str(body["message"])


def test_the_notebook_makes_a_day_of_data_that_is_the_same_each_time(clickhouse: ClickHouse, tmp_path: Path) -> None:
    def hash_tables() -> list[dict[str, Any]]:
        hashes = "SELECT count() AS rows, sum(cityHash64(*)) AS hash, min(timestamp) AS first, max(timestamp) AS last"
        return [clickhouse.rows(f"{hashes} FROM sre.{table}")[0] for table in sre_hasura.COLUMNS]

    before = hash_tables()

    outputs = make_data(clickhouse, tmp_path)

    assert hash_tables() == before
    assert [row["rows"] for row in before] == [2, 4, 1152, 3456]
    assert min(row["first"] for row in before) == "2026-01-30 12:00:00"
    assert max(row["last"] for row in before) < "2026-01-31 12:00:00"
    text = "".join(output["text"] for output in outputs)
    assert text.splitlines() == [
        "deployments: 4 rows",
        "incidents: 2 rows",
        "metrics: 3456 rows",
        "logs: 1152 rows",
    ]


def test_the_data_tell_of_a_deployment_then_errors_then_an_alert_then_recovery(clickhouse: ClickHouse) -> None:
    def error_rate(service: str, time: str) -> float:
        query = "SELECT value FROM sre.metrics WHERE name = 'error_rate' AND service = {service:String}"
        rows = clickhouse.rows(f"{query} AND timestamp = {{time:String}}", service=service, time=f"2026-01-31 {time}")
        return float(rows[0]["value"])

    deployment, rollback = clickhouse.rows(
        "SELECT * FROM sre.deployments WHERE service = 'payments' ORDER BY timestamp"
    )
    [incident] = clickhouse.rows("SELECT * FROM sre.incidents WHERE service = 'checkout'")
    errors = clickhouse.rows(
        "SELECT DISTINCT service, min(timestamp) AS first, max(timestamp) AS last FROM sre.logs "
        "WHERE level = 'ERROR' GROUP BY service ORDER BY service"
    )

    assert deployment["timestamp"] < incident["timestamp"] < rollback["timestamp"] < incident["resolved_at"]
    assert [row["service"] for row in errors] == ["checkout", "payments"]
    assert all(deployment["timestamp"] < row["first"] < row["last"] < incident["resolved_at"] for row in errors)
    assert error_rate("payments", "08:55:00") < 2 < 20 < error_rate("checkout", "09:20:00")
    assert error_rate("web", "09:20:00") < 2
    assert error_rate("checkout", "10:00:00") < 2


def test_a_wrong_clickhouse_password_is_said_in_clickhouses_words(clickhouse: ClickHouse, tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match=r"ClickHouse refuses \(403\).*Authentication failed"):
        make_data(clickhouse, tmp_path, CLICKHOUSE_PASSWORD="a-guess")


def test_the_data_notebook_names_the_setting_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="CLICKHOUSE_URL is not set"):
        run_in_jupyter(PROJECT, tmp_path, "synthetic_data.ipynb")


def test_a_question_is_answered_from_clickhouse_with_the_rows_as_evidence(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, clickhouse: ClickHouse
) -> None:
    answer = read_answer(ask(stack))

    assert answer["answer"] == analyst.answer
    assert (answer["since"], answer["until"]) == ("2026-01-31T08:00:00+00:00", "2026-01-31T12:00:00+00:00")
    first_error = clickhouse.rows(
        "SELECT * FROM sre.logs WHERE level = 'ERROR' AND service = 'payments' ORDER BY timestamp"
    )
    assert [tuple(row.values()) for row in answer["evidence"]] == [
        (
            "deployments",
            "2026-01-31 09:00:00",
            "payments",
            "2.4.0 by ada: Connections to the bank are pooled, at most 5",
        ),
        (
            "incidents",
            "2026-01-31 09:10:00",
            "checkout",
            "high: Alert: error_rate of checkout above 20 %; resolved at 2026-01-31 09:50:00",
        ),
        (
            "logs",
            first_error[0]["timestamp"],
            "payments",
            "ERROR: no free connection to the bank after 2000 ms (pool size 5)",
        ),
        ("deployments", "2026-01-31 09:40:00", "payments", "2.3.9 by grace: Roll back 2.4.0"),
    ]


def test_the_readmes_query_is_answered_through_the_action_that_the_notebook_declares(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    answer = ask_hasura(PROJECT, lambda body: ask(stack, body))

    assert answer["answer"] == analyst.answer
    assert [row["table"] for row in answer["evidence"]] == ["deployments", "incidents", "logs", "deployments"]


def test_the_model_is_shown_the_question_and_all_rows_of_the_plan_by_time(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, clickhouse: ClickHouse
) -> None:
    read_answer(ask(stack))

    planning, concluding = model.bodies_sent_to("/chat/completions")
    question = payload("sre_action")["input"]["question"]
    assert planning["messages"][-1]["content"] == question
    assert concluding["messages"][-1]["content"].startswith(question)
    [errors] = clickhouse.rows("SELECT count() AS n FROM sre.logs WHERE level = 'ERROR'")
    assert len(analyst.rows) == 1 + 2 + errors["n"] + 2 * 48
    assert analyst.rows == sorted(analyst.rows, key=lambda row: row[:19])


def test_what_reaches_hasura_are_fixed_queries_and_the_plan_is_only_in_their_variables(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    read_answer(ask(stack))
    queries = {request.query for request in hasura.requests}
    first = [request.variables for request in hasura.requests]
    hasura.requests.clear()
    analyst.plan = {**PLAN, "services": ["web"], "levels": ["INFO"], "since": "2026-01-31T10:00:00+02:00"}
    analyst.finding = {"answer": "All is well.", "rows": []}

    read_answer(ask(stack))

    assert {request.query for request in hasura.requests} == queries
    assert len(queries) == 4
    assert first != [request.variables for request in hasura.requests]
    for request in hasura.requests:
        assert request.variables["limit"] == 200
        assert request.variables["where"]["service"] == {"_in": ["web"]}
        assert request.variables["where"]["timestamp"] == {"_gte": "2026-01-31 08:00:00", "_lte": "2026-01-31 12:00:00"}


def test_only_the_tables_of_the_plan_are_read(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    analyst.plan = {**PLAN, "tables": ["deployments", "deployments"]}
    analyst.finding = {"answer": "Twice.", "rows": [1, 0, 1]}

    answer = read_answer(ask(stack))

    assert len(hasura.requests) == 1
    assert [row["detail"].split(" by ")[0] for row in answer["evidence"]] == ["2.3.9", "2.4.0"]


def test_the_plan_is_in_the_log(stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst) -> None:
    analyst.plan = {**PLAN, "since": "2026-01-31T08:17:00Z"}

    read_answer(ask(stack))

    wait_for_log(
        stack, "plan: tables=['incidents', 'deployments', 'logs', 'metrics'] services=['checkout', 'payments']"
    )
    wait_for_log(stack, "since=datetime.datetime(2026, 1, 31, 8, 17")


def test_where_there_are_no_rows_the_model_is_not_asked_to_make_something_up(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    analyst.plan = {**PLAN, "since": "2025-01-31T08:00:00Z", "until": "2025-01-31T09:00:00Z"}

    answer = read_answer(ask(stack))

    assert answer["answer"] == "No data about checkout, payments in that time."
    assert answer["evidence"] == []
    assert len(model.requests) == 1


def test_twenty_questions_at_once_are_all_answered(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda _: read_answer(ask(stack))["answer"], range(20)))

    assert answers == [analyst.answer] * 20


FORBIDDEN = {
    "tables": ({"tables": ["users"]}, "tables.0"),
    "services": ({"services": ["payments' OR 1=1 --"]}, "services.0"),
    "metrics": ({"metrics": ["salary"]}, "metrics.0"),
    "levels": ({"levels": ["DEBUG"]}, "levels.0"),
    "no service": ({"services": []}, "services"),
    "a longer time": ({"since": "2026-01-29T08:00:00Z"}, "at most 1 day"),
    "time that runs backwards": ({"since": "2026-01-31T13:00:00Z"}, "more than nothing"),
    "a time without its zone": ({"since": "2026-01-31T08:00:00"}, "since"),
    "SQL": ({"sql": "SELECT * FROM system.users"}, "sql"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_plan_that_asks_for_what_is_not_allowed_is_refused_and_nothing_is_read(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, what: str
) -> None:
    change, complaint = FORBIDDEN[what]
    analyst.plan = {**PLAN, **change}

    message = refusal(ask(stack))

    assert message.startswith("the model's answer does not fit: ")
    assert complaint in message
    assert hasura.requests == []


@pytest.mark.parametrize("plan", ["I would look at the logs.", "{}", "[]", {"tables": ["logs"]}])
def test_a_plan_that_is_none_is_refused(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, plan: Any
) -> None:
    analyst.plan = plan

    assert "the model's answer does not fit" in refusal(ask(stack))
    assert hasura.requests == []


@pytest.mark.parametrize("rows", [[100_000], [-1]])
def test_an_answer_that_cites_a_row_which_nobody_gave_is_not_passed_on(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, rows: list[int]
) -> None:
    analyst.finding = {"answer": "It was the moon.", "rows": rows}

    message = refusal(ask(stack))

    assert str(rows[0]) in message
    assert "moon" not in message


@pytest.mark.parametrize(
    ("finding", "complaint"),
    [
        ("It was the network.", "does not fit: all of it: Invalid JSON"),
        ({"answer": "It was the network."}, "does not fit: rows: Field required"),
        ({"answer": " ", "rows": []}, "cannot be used: it is empty"),
    ],
)
def test_an_answer_of_another_form_is_not_passed_on(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, finding: Any, complaint: str
) -> None:
    analyst.finding = finding

    assert complaint in refusal(ask(stack))


def test_while_hasura_is_down_the_caller_is_told_and_then_is_answered(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    hasura.stop()
    assert "check GRAPHQL_ENDPOINT" in refusal(ask(stack))
    wait_for_log(stack, "TransportConnectionFailed")

    hasura.start()

    read_answer(ask(stack))


@pytest.mark.parametrize(
    ("mode", "complaint"), [("refusing", "Hasura gave no answer"), ("erroring", "database query error")]
)
def test_what_hasura_says_no_to_is_told_to_the_caller(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, mode: Any, complaint: str
) -> None:
    hasura.mode = mode

    assert complaint in refusal(ask(stack))


@pytest.mark.parametrize("junk", JUNK)
def test_a_question_that_something_else_than_hasura_answers_is_told_so(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, junk: str
) -> None:
    hasura.mode, hasura.junk = "junk", JUNK[junk]

    assert "Hasura " in refusal(ask(stack))


def test_a_model_that_is_asked_too_often_is_told_of_as_429(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    model.mode = "rate_limited"
    assert "Ask again later" in refusal(ask(stack), 429)

    model.mode = "well"

    read_answer(ask(stack))


def test_an_answer_of_the_models_server_that_breaks_off_is_told_of(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    model.mode = "broken"

    assert "cannot be read (JSONDecodeError): check OPENAI_BASE_URL" in refusal(ask(stack))


def test_a_server_that_is_not_a_models_is_told_of(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    model.mode = "elsewhere"

    assert "check OPENAI_BASE_URL" in refusal(ask(stack))


def test_an_answer_of_hasura_that_takes_too_long_is_not_waited_for(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    hasura.mode = "slow"

    assert refusal(ask(stack)) == "no answer from Hasura within 20 s"


def test_a_model_that_takes_too_long_is_given_up_before_hasura_gives_up(
    stack: Stack, model: OpenAIServer, analyst: Analyst
) -> None:
    model.mode = "slow"

    assert refusal(ask(stack)) == "no answer within 25 s. Ask again later"


def test_questions_that_wait_for_the_model_keep_no_other_request_waiting(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    model.mode = "slow"

    with ThreadPoolExecutor(10) as callers:
        waiting = [callers.submit(ask, stack) for _ in range(10)]
        eventually(lambda: len(model.requests) == 10, what="ten questions at the model")
        invalid_input(ask(stack, {}))
        model.mode = "well"
        assert [read_answer(response.result())["answer"] for response in waiting] == [analyst.answer] * 10


def test_an_admin_secret_that_hasura_does_not_take_is_said_to_be_that(
    stack: Stack, hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    hasura.admin_secret = "tomorrows-secret"
    try:
        response = ask(stack)
    finally:
        hasura.admin_secret = ADMIN_SECRET

    assert 'invalid "x-hasura-admin-secret"' in refusal(response)
    assert ADMIN_SECRET not in response.text + stack.log()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("OPENAI_API_KEY", "check OPENAI_API_KEY"), ("OPENAI_MODEL", "check OPENAI_BASE_URL and OPENAI_MODEL")],
)
def test_a_wrong_setting_is_named_and_its_value_kept(
    settings: dict[str, str], model: OpenAIServer, name: str, complaint: str
) -> None:
    with serving_bare(PROJECT, **{**settings, name: "something-of-yesterday"}) as api:
        response = ask(api)

        assert complaint in refusal(response)
        assert "something-of-yesterday" not in response.text + api.log()


@pytest.mark.parametrize(
    ("groups", "missing"), [("", "OPENAI_API_KEY"), ("OPENAI", "GRAPHQL_ENDPOINT"), ("OPENAI GRAPHQL", "ADMIN_SECRET")]
)
def test_without_a_setting_it_is_served_and_names_it(
    settings: dict[str, str], model: OpenAIServer, analyst: Analyst, groups: str, missing: str
) -> None:
    some = {name: value for name, value in settings.items() if name.split("_")[0] in groups.split()}
    with serving_bare(PROJECT, **some) as api:
        assert f"{missing} is not set" in refusal(ask(api))


def test_a_shared_secret_keeps_out_who_does_not_know_it(
    settings: dict[str, str], hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst
) -> None:
    secret = "a-secret-shared-with-hasura"
    with serving_bare(PROJECT, **settings, WEBHOOK_SECRET=secret) as api:
        for headers in ({}, {"X-Webhook-Secret": "a-guess"}, {"X-Webhook-Secret": "é"}):
            assert "X-Webhook-Secret" in refusal(ask(api, **headers), 401)
        assert model.requests == []

        read_answer(ask(api, **{"X-Webhook-Secret": secret}))
        assert secret not in api.log()


NO_QUESTION = {
    "no input": ({"action": {"name": "sre_query"}}, "question: Field required"),
    "no question": ({"input": {}}, "input.question: Field required"),
    "a number": ({"input": {"question": 7}}, "input.question: Input should be a valid string"),
    "blanks": ({"input": {"question": "  "}}, "input.question: String should have at least 1 character"),
    "too long": ({"input": {"question": "?" * 2001}}, "input.question: String should have at most 2000 characters"),
    "a list": ([1], "body: Input should be an object"),
}


@pytest.mark.parametrize("what", NO_QUESTION)
def test_a_body_without_a_question_is_refused(stack: Stack, model: OpenAIServer, analyst: Analyst, what: str) -> None:
    body, complaint = NO_QUESTION[what]

    assert complaint in invalid_input(ask(stack, body))
    assert model.requests == []


@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_not_json_is_refused(stack: Stack, model: OpenAIServer, body: bytes) -> None:
    invalid_input(deliver_bytes(stack, "sre_query", body))


def test_its_cells_run_from_top_to_bottom_in_jupyter(
    settings: dict[str, str], hasura: GraphQLServer, model: OpenAIServer, analyst: Analyst, tmp_path: Path
) -> None:
    [call] = python_blocks(f"{PROJECT}/server.ipynb")

    log_output, answer = run_in_jupyter(PROJECT, tmp_path, more=call, **settings)

    assert analyst.answer in answer["data"]["text/plain"]
    assert log_output["name"] == "stderr"
    assert re.fullmatch(r"INFO:sre_assistant:plan: .*\n", log_output["text"])
