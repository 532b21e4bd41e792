"""The project book_recommendation, with PostgreSQL and pgvector behind Hasura."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import requests
from nbclient.exceptions import CellExecutionError

from tests.support.graphql_server import ADMIN_SECRET, JUNK, GraphQLServer
from tests.support.openai_server import API_KEY, OpenAIServer, embed
from tests.support.postgres import postgres
from tests.support.stack import Stack, as_json
from tests.support.templates import (
    AT_ONCE,
    NOT_JSON,
    ask_hasura,
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
from tests.templates.book_hasura import Books, tables

PROJECT = "book_recommendation"
SECRET = "a-secret-shared-with-hasura"
WHALE = payload("book_insert")["event"]["data"]["new"]


@pytest.fixture(scope="module")
def table() -> Iterator[Books]:
    with postgres() as address:
        books = Books(address)
        books.run(tables())
        yield books


@pytest.fixture(scope="module")
def servers(table: Books) -> Iterator[tuple[GraphQLServer, OpenAIServer]]:
    with table.serve() as hasura, OpenAIServer() as openai:
        yield hasura, openai


def settings(servers: tuple[GraphQLServer, OpenAIServer], **changes: str) -> dict[str, str]:
    hasura, openai = servers
    variables = {"GRAPHQL_ENDPOINT": hasura.url, "ADMIN_SECRET": ADMIN_SECRET}
    return {**variables, "OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": API_KEY, **changes}


@pytest.fixture(scope="module")
def stack(servers: tuple[GraphQLServer, OpenAIServer]) -> Iterator[Stack]:
    limits = {"GRAPHQL_TIMEOUT": "10", "OPENAI_TIMEOUT": "10"}
    with serving(PROJECT, **settings(servers, WEBHOOK_SECRET=SECRET, **limits)) as stack:
        yield stack


@pytest.fixture
def books(table: Books, servers: tuple[GraphQLServer, OpenAIServer]) -> Iterator[Books]:
    """The table with one book, which has no embedding yet, when all is well."""
    hasura, openai = servers
    table.run("TRUNCATE book")
    add(table, WHALE)
    hasura.requests.clear()
    openai.requests.clear()
    yield table
    hasura.start()
    hasura.mode, openai.mode = "well", "well"
    hasura.admin_secret, openai.api_key, openai.retry_after = ADMIN_SECRET, API_KEY, 1


@pytest.fixture
def hasura(books: Books, servers: tuple[GraphQLServer, OpenAIServer]) -> GraphQLServer:
    return servers[0]


@pytest.fixture
def openai(books: Books, servers: tuple[GraphQLServer, OpenAIServer]) -> OpenAIServer:
    return servers[1]


def add(books: Books, book: dict[str, Any]) -> None:
    values = [book[name] for name in ("id", "title", "author", "description")]
    books.run("INSERT INTO book (id, title, author, description) VALUES (%s, %s, %s, %s)", *values)


def describe(books: Books, description: str) -> None:
    """Somebody gives the whale another description."""
    books.run("UPDATE book SET description = %s WHERE id = %s", description, WHALE["id"])


def whale(books: Books) -> dict[str, Any]:
    return books.run("SELECT * FROM book WHERE id = %s", WHALE["id"])[0]


def handle(stack: Stack, event: Any, **headers: str) -> requests.Response:
    return deliver(stack, "handle_event", event, **{"X-Webhook-Secret": SECRET, **headers})


def result(answer: requests.Response) -> str:
    """What became of an event that is not to be delivered again."""
    return str(json_answer(answer)["result"])


def recommend(stack: Stack, wish: str, **more: Any) -> requests.Response:
    action = payload("book_action")
    action["input"] = {"wish": wish, **more}
    return deliver(stack, "handle_query", action, **{"X-Webhook-Secret": SECRET})


def refusal(answer: requests.Response, status: int) -> str:
    """What Hasura shows its client of an Action's error."""
    assert answer.status_code == status, answer.text
    body = as_json(answer)
    codes = {400: "bad-request", 401: "unauthorized", 424: "failed-dependency", 429: "too-many-requests"}
    assert body["extensions"]["code"] == codes[status]
    return str(body["message"])


def is_embedded(books: Books, text: str) -> bool:
    """Whether the row holds the embedding of that text, as PostgreSQL says."""
    vector = str(embed(text))
    rows = books.run("SELECT embedded_text, embedding <-> %s::vector AS distance FROM book", vector)
    return [(row["embedded_text"], row["distance"] is not None and row["distance"] < 1e-6) for row in rows] == [
        (text, True)
    ]


def text_of(book: dict[str, Any]) -> str:
    return f"{book['title']}\n{book['description']}"


# -- the event trigger


@pytest.mark.parametrize("name", ["book_insert", "book_manual"])
def test_a_book_gets_its_embedding(stack: Stack, books: Books, openai: OpenAIServer, name: str) -> None:
    assert result(handle(stack, payload(name))) == "embedded"

    assert is_embedded(books, text_of(WHALE))
    (request,) = openai.bodies_sent_to("/embeddings")
    assert request["input"] == [text_of(WHALE)]
    assert (request["model"], request["dimensions"]) == ("text-embedding-3-small", 1536)


def test_a_book_whose_text_changes_gets_a_new_embedding(stack: Stack, books: Books) -> None:
    handle(stack, payload("book_insert"))
    update = payload("book_update")
    describe(books, update["event"]["data"]["new"]["description"])

    assert result(handle(stack, update)) == "embedded"

    assert is_embedded(books, text_of(update["event"]["data"]["new"]))


def test_the_event_of_a_deleted_book_is_settled_without_a_question(
    stack: Stack, hasura: GraphQLServer, openai: OpenAIServer
) -> None:
    assert result(handle(stack, payload("book_delete"))) == "deleted"

    assert hasura.requests == []
    assert openai.requests == []


def test_a_book_that_is_gone_by_now_is_no_error(stack: Stack, books: Books, openai: OpenAIServer) -> None:
    books.run("TRUNCATE book")

    assert result(handle(stack, payload("book_insert"))) == "deleted"

    assert openai.requests == []


def test_an_event_that_is_delivered_twice_is_embedded_once(stack: Stack, books: Books, openai: OpenAIServer) -> None:
    assert result(handle(stack, payload("book_insert"))) == "embedded"
    assert result(handle(stack, payload("book_insert"))) == "embedded before"

    assert len(openai.requests) == 1
    assert is_embedded(books, text_of(WHALE))


def test_the_event_that_the_write_back_would_cause_writes_nothing_so_that_there_is_no_loop(
    stack: Stack, books: Books, hasura: GraphQLServer, openai: OpenAIServer
) -> None:
    handle(stack, payload("book_insert"))
    update = payload("book_update")
    update["event"]["data"]["old"] = dict(WHALE)
    update["event"]["data"]["new"] = {**whale(books), "id": WHALE["id"]}
    hasura.requests.clear()

    assert result(handle(stack, update)) == "embedded before"

    assert not any("mutation" in request.query for request in hasura.requests)
    assert len(openai.requests) == 1


def test_a_change_of_other_columns_embeds_nothing(stack: Stack, books: Books, openai: OpenAIServer) -> None:
    handle(stack, payload("book_insert"))
    books.run("UPDATE book SET author = 'H. Melville'")

    assert result(handle(stack, payload("book_update"))) == "embedded before"

    assert len(openai.requests) == 1


def test_an_old_event_that_comes_late_does_not_bring_back_the_old_text(
    stack: Stack, books: Books, openai: OpenAIServer
) -> None:
    update = payload("book_update")
    describe(books, update["event"]["data"]["new"]["description"])

    assert result(handle(stack, update)) == "embedded"
    assert result(handle(stack, payload("book_insert"))) == "embedded before"

    assert is_embedded(books, text_of(update["event"]["data"]["new"]))


def test_a_text_that_changes_while_it_is_being_embedded_is_left_to_its_own_event(
    stack: Stack, books: Books, openai: OpenAIServer
) -> None:
    openai.mode = "slow"
    with ThreadPoolExecutor() as callers:
        first = callers.submit(handle, stack, payload("book_insert"))
        eventually(lambda: openai.requests, what="the question to OpenAI")
        describe(books, "A whale.")
        openai.mode = "well"

        assert result(first.result()) == "outdated"
    assert whale(books)["embedding"] is None

    assert result(handle(stack, payload("book_update"))) == "embedded"

    assert is_embedded(books, "Moby-Dick\nA whale.")


def test_an_event_that_is_delivered_many_times_at_once_leaves_the_one_embedding(stack: Stack, books: Books) -> None:
    with ThreadPoolExecutor(20) as callers:
        results = set(callers.map(lambda _: result(handle(stack, payload("book_insert"))), range(20)))

    assert results <= {"embedded", "embedded before"}
    assert is_embedded(books, text_of(WHALE))


def test_as_many_events_as_hasura_delivers_at_once_embed_all_books(stack: Stack, books: Books) -> None:
    events = []
    for number in range(AT_ONCE):
        event = deepcopy(payload("book_insert"))
        event["event"]["data"]["new"] |= {"id": str(uuid.uuid4()), "title": f"Volume {number}"}
        add(books, event["event"]["data"]["new"])
        events.append(event)

    with ThreadPoolExecutor(AT_ONCE) as callers:
        answers = list(callers.map(lambda event: handle(stack, event), events))

    assert [result(answer) for answer in answers] == ["embedded"] * AT_ONCE
    assert books.run("SELECT title FROM book WHERE embedded_text IS DISTINCT FROM title || E'\\n' || description") == [
        {"title": WHALE["title"]}
    ]


def other(**changes: Any) -> dict[str, Any]:
    return {**payload("book_insert"), **changes}


def test_a_book_whose_id_the_database_cannot_read_is_a_poison_event(stack: Stack, books: Books) -> None:
    event = payload("book_insert")
    event["event"]["data"]["new"]["id"] = "seven"

    assert result(handle(stack, event)) == 'put aside: invalid input syntax for type uuid: "seven"'

    wait_for_log(stack, "put aside: event 'b1f0d5c2-6a0e-4a86-9b83-2b7a4c6f9d10'")


def test_an_event_of_another_table_is_kept_in_the_log_and_not_delivered_again(
    stack: Stack, hasura: GraphQLServer
) -> None:
    event = other(table={"schema": "public", "name": "customer"})

    assert "put aside: it is about the table customer" in result(handle(stack, event))

    wait_for_log(stack, "about the table customer")
    assert hasura.requests == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (other(event={"op": "TRUNCATE", "data": {"old": None, "new": WHALE}}), "event.op: Input should be 'INSERT'"),
        (
            other(event={"op": "INSERT", "data": {"old": None, "new": {"title": "x"}}}),
            "new.id: Field required",
        ),
        (other(event={"op": ["INSERT"], "data": {"old": None, "new": WHALE}}), "event.op: Input should be 'INSERT'"),
        (other(event=None), "event: Input should be an object"),
        ({"payload": payload("book_insert")}, "event: Field required"),
        ([], "body: Input should be an object"),
        ("a text", "body: Input should be an object"),
    ],
)
def test_a_body_that_is_no_event_of_a_book_is_refused_with_the_reason(
    stack: Stack, hasura: GraphQLServer, body: Any, complaint: str
) -> None:
    assert complaint in invalid_input(handle(stack, body))

    assert hasura.requests == []


@pytest.mark.parametrize("path", ["handle_event", "handle_query"])
@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_not_json_is_refused(stack: Stack, books: Books, path: str, body: bytes) -> None:
    invalid_input(deliver_bytes(stack, path, body, **{"X-Webhook-Secret": SECRET}))


def test_a_text_that_openai_refuses_is_a_poison_event(stack: Stack, books: Books, openai: OpenAIServer) -> None:
    openai.mode = "refusing"

    answer = result(handle(stack, payload("book_insert")))

    assert "put aside: OpenAI refuses the text" in answer
    assert "maximum context length" in answer


def test_while_hasura_is_down_the_event_is_to_be_delivered_again_and_then_is_handled(
    stack: Stack, books: Books, hasura: GraphQLServer
) -> None:
    hasura.stop()
    assert "TransportConnectionFailed" in retry_reason(handle(stack, payload("book_insert")))

    hasura.start()

    assert result(handle(stack, payload("book_insert"))) == "embedded"


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [("slow", "within 10 s"), ("refusing", "TransportServerError"), ("erroring", "query error")],
)
def test_an_event_that_hasura_does_not_take_now_is_to_be_delivered_again(
    stack: Stack, books: Books, hasura: GraphQLServer, mode: Any, complaint: str
) -> None:
    hasura.mode = mode
    assert complaint in retry_reason(handle(stack, payload("book_insert")))
    hasura.mode = "well"

    assert result(handle(stack, payload("book_insert"))) == "embedded"


@pytest.mark.parametrize("junk", JUNK)
def test_an_answer_that_is_not_hasuras_puts_no_event_aside(
    stack: Stack, books: Books, hasura: GraphQLServer, junk: str
) -> None:
    hasura.mode, hasura.junk = "junk", JUNK[junk]
    assert retry_reason(handle(stack, payload("book_insert"))).startswith("Hasura ")
    hasura.mode = "well"

    assert result(handle(stack, payload("book_insert"))) == "embedded"


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        ("rate_limited", "OpenAI takes no more requests for now"),
        ("slow", "APITimeoutError"),
        ("broken", "JSONDecodeError"),
        ("elsewhere", "OpenAI gives no embedding"),
    ],
)
def test_an_event_that_openai_does_not_take_now_is_to_be_delivered_again(
    stack: Stack, books: Books, openai: OpenAIServer, mode: Any, complaint: str
) -> None:
    openai.mode = mode
    assert complaint in retry_reason(handle(stack, payload("book_insert")))
    openai.mode = "well"

    assert result(handle(stack, payload("book_insert"))) == "embedded"


@pytest.mark.parametrize(("retry_after", "header"), [(37, "37"), (0, "1")])
def test_an_event_is_delivered_again_after_the_pause_that_openai_asks_for(
    stack: Stack, books: Books, openai: OpenAIServer, retry_after: int, header: str
) -> None:
    openai.mode, openai.retry_after = "rate_limited", retry_after

    assert handle(stack, payload("book_insert")).headers["Retry-After"] == header
    assert len(openai.requests) == 1


# -- the action


@pytest.fixture(scope="module")
def samples(
    table: Books, servers: tuple[GraphQLServer, OpenAIServer], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """The rows that insert_data.ipynb inserts."""
    table.run("TRUNCATE book")
    run_in_jupyter(PROJECT, tmp_path_factory.mktemp("home"), "insert_data.ipynb", **settings(servers))
    return table.run("SELECT id::text, title, author, description, embedding, embedded_text FROM book")


@pytest.fixture
def library(samples: list[dict[str, Any]], stack: Stack, books: Books) -> list[str]:
    """The table with the sample books, embedded by the trigger; their texts."""
    books.run("TRUNCATE book")
    for row in samples:
        add(books, row)
        event = payload("book_insert")
        event["event"]["data"]["new"] = row
        assert result(handle(stack, event)) == "embedded"
    return [text_of(row) for row in samples]


def similarity(one: str, another: str) -> float:
    return sum(a * b for a, b in zip(embed(one), embed(another), strict=True))


@pytest.mark.parametrize(
    ("wish", "first"),
    [
        ("a captain hunts a whale", "Moby-Dick"),
        ("a vampire in England", "Dracula"),
        ("travels to the future", "The Time Machine"),
        ("pirates and buried gold", "Treasure Island"),
    ],
)
def test_the_books_nearest_to_the_wish_are_recommended_the_nearest_first(
    stack: Stack, library: list[str], wish: str, first: str
) -> None:
    books = json_answer(recommend(stack, wish, limit=4))

    assert books[0]["title"] == first
    assert {frozenset(book) for book in books} == {frozenset({"id", "title", "author", "description"})}
    nearest = sorted((similarity(wish, text) for text in library), reverse=True)
    assert [similarity(wish, text_of(book)) for book in books] == pytest.approx(nearest[:4], abs=1e-5)


@pytest.mark.parametrize("more", [{}, {"limit": None}])
def test_without_a_limit_three_books_are_recommended(stack: Stack, library: list[str], more: dict[str, None]) -> None:
    assert len(json_answer(recommend(stack, "a wish", **more))) == 3


def test_the_action_as_hasura_sends_it_is_answered_with_exactly_one_json_document(
    stack: Stack, library: list[str]
) -> None:
    answer = deliver(stack, "handle_query", payload("book_action"), **{"X-Webhook-Secret": SECRET})

    assert json_answer(answer)[0]["author"] == "Herman Melville"


def test_the_readmes_query_is_answered_through_the_action_that_the_notebook_declares(
    stack: Stack, library: list[str]
) -> None:
    def call(body: dict[str, Any]) -> requests.Response:
        return deliver(stack, "handle_query", body, **{"X-Webhook-Secret": SECRET})

    answer = ask_hasura(PROJECT, call, "scalar uuid")

    assert [set(book) for book in answer] == [{"title", "author"}] * 3


def test_books_without_an_embedding_are_not_recommended(stack: Stack, books: Books) -> None:
    assert json_answer(recommend(stack, "a whale")) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "wish: Field required"),
        ([], "body: Input should be an object"),
        ("text", "body: Input should be an object"),
        ({"input": {"wish": " "}}, "wish: String should have at least 1 character"),
        ({"input": {"wish": 7}}, "wish: Input should be a valid string"),
        ({"input": {"wish": "x", "limit": 21}}, "limit: Input should be less than or equal to 20"),
        ({"input": {"wish": "x", "limit": -1}}, "limit: Input should be greater than or equal to 1"),
        ({"input": {"wish": "x", "limit": 0}}, "limit: Input should be greater than or equal to 1"),
        ({"input": {"wish": "x", "limit": "3"}}, "limit: Input should be a valid integer"),
    ],
)
def test_an_action_that_cannot_be_understood_is_told_why(
    stack: Stack, openai: OpenAIServer, body: Any, complaint: str
) -> None:
    assert complaint in invalid_input(deliver(stack, "handle_query", body, **{"X-Webhook-Secret": SECRET}))

    assert openai.requests == []


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [("slow", "within 10 s"), ("refusing", "TransportServerError"), ("erroring", "query error")],
)
def test_a_wish_that_hasura_does_not_answer_is_told_why(
    stack: Stack, hasura: GraphQLServer, mode: Any, complaint: str
) -> None:
    hasura.mode = mode

    assert complaint in refusal(recommend(stack, "a whale"), 424)


@pytest.mark.parametrize("junk", JUNK)
def test_a_wish_that_something_else_than_hasura_answers_is_told_so(
    stack: Stack, hasura: GraphQLServer, junk: str
) -> None:
    hasura.mode, hasura.junk = "junk", JUNK[junk]

    assert refusal(recommend(stack, "a whale"), 424).startswith("Hasura ")


def test_a_wish_while_hasura_is_down_is_told_so(stack: Stack, hasura: GraphQLServer) -> None:
    hasura.stop()

    assert "TransportConnectionFailed" in refusal(recommend(stack, "a whale"), 424)


@pytest.mark.parametrize(
    ("mode", "status", "complaint"),
    [
        ("rate_limited", 429, "OpenAI takes no more requests for now"),
        ("slow", 424, "APITimeoutError"),
        ("broken", 424, "JSONDecodeError"),
        ("elsewhere", 424, "OpenAI gives no embedding"),
    ],
)
def test_a_wish_that_openai_does_not_take_is_told_why(
    stack: Stack, openai: OpenAIServer, mode: Any, status: int, complaint: str
) -> None:
    openai.mode = mode

    assert complaint in refusal(recommend(stack, "a whale"), status)


def test_slow_wishes_keep_no_other_request_waiting(stack: Stack, books: Books, openai: OpenAIServer) -> None:
    openai.mode = "slow"
    with ThreadPoolExecutor(20) as callers:
        slow = [callers.submit(recommend, stack, "a whale") for _ in range(20)]
        eventually(lambda: len(openai.requests) == 20, what="twenty questions to OpenAI at once")
        assert result(handle(stack, payload("book_delete"))) == "deleted"
        openai.mode = "well"
        assert {answer.result().status_code for answer in slow} == {200}


# -- settings and secrets


@pytest.mark.parametrize(("path", "body"), [("handle_event", "book_insert"), ("handle_query", "book_action")])
@pytest.mark.parametrize("guess", ["", "a-guess", "é"])
def test_a_caller_without_the_shared_secret_is_refused(
    stack: Stack, hasura: GraphQLServer, path: str, body: str, guess: str
) -> None:
    answer = deliver(stack, path, payload(body), **{"X-Webhook-Secret": guess})

    assert "X-Webhook-Secret" in refusal(answer, 401)
    assert hasura.requests == []
    assert SECRET not in answer.text + stack.log()


def test_without_settings_it_is_served_and_names_what_is_missing() -> None:
    with serving_bare(PROJECT) as api:
        assert "GRAPHQL_ENDPOINT is not set" in retry_reason(deliver(api, "handle_event", payload("book_insert")))
        assert "OPENAI_API_KEY is not set" in refusal(deliver(api, "handle_query", payload("book_action")), 424)


def test_a_wrong_key_and_a_wrong_admin_secret_are_said_to_be_that_and_shown_nowhere(
    stack: Stack, hasura: GraphQLServer, openai: OpenAIServer
) -> None:
    hasura.admin_secret = "another"
    event = handle(stack, payload("book_insert"))
    openai.api_key = "another"
    action = recommend(stack, "a whale")

    assert "x-hasura-admin-secret" in retry_reason(event)
    assert "OpenAI refuses the key in OPENAI_API_KEY" in refusal(action, 424)
    for secret in (ADMIN_SECRET, API_KEY):
        assert secret not in event.text + action.text + stack.log()


# -- in Jupyter


def test_its_cells_run_from_top_to_bottom_in_jupyter(
    servers: tuple[GraphQLServer, OpenAIServer], books: Books, tmp_path: Path
) -> None:
    event, action = python_blocks(f"{PROJECT}/server.ipynb")

    outputs = run_in_jupyter(PROJECT, tmp_path, more=f"print({event})\n{action}", **settings(servers))

    printed, answer = outputs
    assert printed["text"] == "Result(result='embedded')\n"
    assert "'Moby-Dick'" in answer["data"]["text/plain"]
    assert is_embedded(books, text_of(WHALE))


def test_the_sample_books_can_be_inserted_twice(
    servers: tuple[GraphQLServer, OpenAIServer], books: Books, tmp_path: Path
) -> None:
    books.run("TRUNCATE book")

    run_in_jupyter(PROJECT, tmp_path, "insert_data.ipynb", **settings(servers))
    outputs = run_in_jupyter(PROJECT, tmp_path, "insert_data.ipynb", **settings(servers))

    assert books.run("SELECT count(*) FROM book") == [{"count": 10}]
    assert WHALE in books.run("SELECT id::text, title, author, description, embedding, embedded_text FROM book")
    assert "'Moby-Dick'" in outputs[-1]["data"]["text/plain"], "it shows the books that have no embedding yet"


def test_inserting_the_sample_books_without_settings_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="GRAPHQL_ENDPOINT is not set"):
        run_in_jupyter(PROJECT, tmp_path, "insert_data.ipynb")
