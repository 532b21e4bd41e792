"""The project product_search, with Weaviate behind Hasura."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from ariadne import MutationType, QueryType
from nbclient.exceptions import CellExecutionError

from tests.support import weaviate_server
from tests.support.graphql_server import ADMIN_SECRET, JUNK, GraphQLServer
from tests.support.openai_server import API_KEY, OpenAIServer, echo
from tests.support.stack import Stack, as_json
from tests.support.templates import (
    NOT_JSON,
    BareApi,
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
from tests.support.weaviate_server import WeaviateServer

PROJECT = "product_search"
SECRET = "a-secret-shared-with-hasura"
# What Hasura makes of a collection behind its Weaviate connector.
SCHEMA = """
    scalar vector
    type Query { Product(where: Product_bool_exp, limit: Int, offset: Int): [Product!]! }
    type Mutation { insert_Product(objects: [Product_insert_input!]!): Product_mutation_response }
    type Product_mutation_response { affected_rows: Int! }
    type Product { id: String!, name: String, category: String, price: Float, description: String, vector: vector }
    input Product_insert_input { id: String, name: String, category: String, price: Float, description: String }
    input Product_bool_exp { _and: [Product_bool_exp!], id: String_comparison_exp, vector: vector_comparison_exp }
    input String_comparison_exp { _eq: String }
    input vector_comparison_exp { _is_null: Boolean, near_text: String }
"""


@dataclass
class Peers:
    """All that the project talks to."""

    hasura: GraphQLServer
    openai: OpenAIServer
    weaviate: WeaviateServer

    def settings(self, **changes: str) -> dict[str, str]:
        """Where they are, and their keys."""
        variables = {"GRAPHQL_ENDPOINT": self.hasura.url, "ADMIN_SECRET": ADMIN_SECRET}
        variables |= {"OPENAI_BASE_URL": self.openai.url, "OPENAI_API_KEY": API_KEY}
        variables |= {"WEAVIATE_URL": self.weaviate.url, "WEAVIATE_API_KEY": weaviate_server.API_KEY}
        return variables | changes


def connector(weaviate: WeaviateServer) -> tuple[QueryType, MutationType]:
    """Hasura's connector, which reports nothing of an object that Weaviate did not store."""
    query, mutation = QueryType(), MutationType()

    def find(*_: Any, where: dict[str, Any], limit: int) -> list[dict[str, Any]]:
        if "id" in where:
            thing = weaviate.objects.get(where["id"]["_eq"])
            return [{"id": thing["id"], **thing["properties"]}] if thing else []
        return weaviate.near_text("Product", where["vector"]["near_text"], limit)

    def insert(*_: Any, objects: list[dict[str, Any]]) -> dict[str, int]:
        for properties in deepcopy(objects):
            weaviate.store({"class": "Product", "id": properties.pop("id"), "properties": properties}, API_KEY)
        return {"affected_rows": len(objects)}

    query.set_field("Product", find)
    mutation.set_field("insert_Product", insert)
    return query, mutation


@pytest.fixture(scope="module")
def shared_peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """They run, and the two notebooks have put the sample products into Weaviate."""
    weaviate = WeaviateServer(API_KEY)
    with weaviate, OpenAIServer() as openai, GraphQLServer(SCHEMA, *connector(weaviate)) as hasura:
        peers = Peers(hasura, openai, weaviate)
        for notebook in ("setup.ipynb", "insert_data.ipynb"):
            run_in_jupyter(PROJECT, tmp_path_factory.mktemp("home"), notebook, **peers.settings())
        yield peers


@pytest.fixture
def peers(shared_peers: Peers) -> Iterator[Peers]:
    """The same, when all is well."""
    hasura, openai, weaviate = shared_peers.hasura, shared_peers.openai, shared_peers.weaviate
    hasura.requests.clear()
    openai.requests.clear()
    objects = dict(weaviate.objects)
    yield shared_peers
    weaviate.objects, weaviate.openai_key = objects, API_KEY
    hasura.start()
    hasura.mode, openai.mode, openai.reply = "well", "well", echo
    hasura.admin_secret, openai.api_key, openai.retry_after = ADMIN_SECRET, API_KEY, 1


@pytest.fixture(scope="module")
def stack(shared_peers: Peers) -> Iterator[Stack]:
    limits = {"GRAPHQL_TIMEOUT": "8", "ANSWER_TIMEOUT": "12", "WEBHOOK_SECRET": SECRET}
    with serving(PROJECT, **shared_peers.settings(**limits)) as stack:
        yield stack


def ask(stack: Stack | BareApi, question: Any, **headers: str) -> requests.Response:
    action = payload("product_action")
    action["input"] = {"user_query": question}
    return deliver(stack, "handle_query", action, **{"X-Webhook-Secret": SECRET, **headers})


def refusal(answer: requests.Response, status: int) -> str:
    """What Hasura shows its client of an Action's error."""
    assert answer.status_code == status, answer.text
    body = as_json(answer)
    codes = {401: "unauthorized", 424: "failed-dependency", 429: "too-many-requests"}
    assert body["extensions"]["code"] == codes[status]
    return str(body["message"])


def test_the_action_as_hasura_sends_it_is_answered_with_exactly_one_json_document(stack: Stack, peers: Peers) -> None:
    peers.openai.reply = lambda body: "The vacuum flask, for 29.90 €."

    answer = deliver(stack, "handle_query", payload("product_action"), **{"X-Webhook-Secret": SECRET})

    reply = json_answer(answer)
    assert reply["answer"] == "The vacuum flask, for 29.90 €."
    assert reply["products"][0] == "Vacuum flask"
    assert len(reply["products"]) == 5


def test_the_readmes_query_is_answered_through_the_action_that_the_notebook_declares(
    stack: Stack, peers: Peers
) -> None:
    peers.openai.reply = lambda body: "The vacuum flask."

    answer = ask_hasura(PROJECT, lambda body: deliver(stack, "handle_query", body, **{"X-Webhook-Secret": SECRET}))

    assert answer["answer"] == "The vacuum flask."
    assert answer["products"][0] == "Vacuum flask"


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Which tent stays dry in heavy rain?", "Two-person tent"),
        ("How do I make water from a stream safe to drink?", "Water filter"),
        ("What grinds coffee beans without electricity?", "Hand grinder"),
    ],
)
def test_the_product_nearest_to_the_question_comes_first(stack: Stack, peers: Peers, question: str, first: str) -> None:
    assert json_answer(ask(stack, question))["products"][0] == first


def test_the_model_is_given_the_question_and_the_products_that_were_found_and_no_others(
    stack: Stack, peers: Peers
) -> None:
    reply = json_answer(ask(stack, "Which tent stays dry in heavy rain?"))

    (request,) = peers.openai.bodies_sent_to("/chat/completions")
    prompt = request["messages"][-1]["content"]
    assert prompt.startswith("Which tent stays dry in heavy rain?\n")
    products = json.loads(prompt.partition("Products:\n")[2])
    assert [product["name"] for product in products] == reply["products"]
    tent = {"name": "Two-person tent", "category": "outdoor", "price": 189.0}
    assert products[0] | tent == products[0]


def test_an_empty_collection_is_said_to_be_that_without_the_model(stack: Stack, peers: Peers) -> None:
    objects, peers.weaviate.objects = peers.weaviate.objects, {}
    try:
        assert json_answer(ask(stack, "a tent")) == {"answer": "There are no products yet.", "products": []}
    finally:
        peers.weaviate.objects = objects

    assert peers.openai.requests == []


def test_the_same_question_twice_is_answered_twice(stack: Stack, peers: Peers) -> None:
    assert json_answer(ask(stack, "a warm sock")) == json_answer(ask(stack, "a warm sock"))


def test_slow_answers_keep_no_other_request_waiting(stack: Stack, peers: Peers) -> None:
    peers.openai.mode = "slow"
    with ThreadPoolExecutor(20) as callers:
        slow = [callers.submit(ask, stack, "a tent") for _ in range(20)]
        eventually(lambda: len(peers.openai.requests) == 20, what="twenty questions to the model at once")
        assert ask(stack, "").status_code == 422
        peers.openai.mode = "well"
        assert {answer.result().status_code for answer in slow} == {200}


# -- the event trigger


def handle(stack: Stack | BareApi, event: Any, **headers: str) -> requests.Response:
    return deliver(stack, "handle_event", event, **{"X-Webhook-Secret": SECRET, **headers})


def result(answer: requests.Response) -> str:
    """What became of an event that is not to be delivered again."""
    return str(json_answer(answer)["result"])


def inserted(**row: Any) -> dict[str, Any]:
    event = payload("product_insert")
    event["event"]["data"]["new"] |= row
    return event


def test_an_inserted_row_is_a_product_that_questions_find(stack: Stack, peers: Peers) -> None:
    assert json_answer(ask(stack, "Shelter from rain and sun"))["products"][0] != "Tarp"

    assert result(handle(stack, inserted())) == "inserted"

    assert json_answer(ask(stack, "Shelter from rain and sun"))["products"][0] == "Tarp"


def test_an_event_that_is_delivered_twice_stores_one_product(stack: Stack, peers: Peers) -> None:
    before = len(peers.weaviate.objects)

    assert [result(handle(stack, inserted())) for _ in range(2)] == ["inserted"] * 2

    assert len(peers.weaviate.objects) == before + 1


def test_many_rows_at_once_are_all_stored_whatever_the_type_of_their_ids(stack: Stack, peers: Peers) -> None:
    before = len(peers.weaviate.objects)
    events = [inserted(id=f"id-{number}" if number % 2 else number, name=f"Tarp {number}") for number in range(20)]

    with ThreadPoolExecutor(20) as callers:
        results = list(callers.map(lambda event: result(handle(stack, event)), events))

    assert results == ["inserted"] * 20
    assert len(peers.weaviate.objects) == before + 20


def test_a_deleted_row_stores_nothing(stack: Stack, peers: Peers) -> None:
    event = payload("product_insert")
    event["event"] |= {"op": "DELETE", "data": {"old": event["event"]["data"]["new"], "new": None}}

    assert result(handle(stack, event)) == "deleted"

    assert peers.hasura.requests == []


def test_a_product_that_weaviate_did_not_store_is_to_be_delivered_again(stack: Stack, peers: Peers) -> None:
    peers.weaviate.openai_key = "another"
    assert "Weaviate did not store the product" in retry_reason(handle(stack, inserted()))
    wait_for_log(stack, "Weaviate did not store the product")

    peers.weaviate.openai_key = API_KEY

    assert result(handle(stack, inserted())) == "inserted"


@pytest.mark.parametrize("mode", ["refusing", "erroring"])
def test_an_event_that_hasura_does_not_take_now_is_to_be_delivered_again(stack: Stack, peers: Peers, mode: Any) -> None:
    peers.hasura.mode = mode

    assert retry_reason(handle(stack, inserted())).startswith("Hasura ")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (inserted(name=None), "event.data.new.name: Input should be a valid string"),
        ({"payload": payload("product_insert")}, "event: Field required"),
        ([], "body: Input should be an object"),
    ],
)
def test_a_body_that_is_no_event_of_a_product_is_refused_with_the_reason(
    stack: Stack, peers: Peers, body: Any, complaint: str
) -> None:
    assert complaint in invalid_input(handle(stack, body))

    assert peers.hasura.requests == []


# -- failures


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "user_query: Field required"),
        ([], "body: Input should be an object"),
        ("text", "body: Input should be an object"),
        ({"input": None}, "input: Input should be a valid dictionary"),
        ({"input": {"user_query": " "}}, "input.user_query: String should have at least 1 character"),
        ({"input": {"user_query": ["a"]}}, "input.user_query: Input should be a valid string"),
        ({"input": {"user_query": "x" * 2001}}, "input.user_query: String should have at most 2000 characters"),
    ],
)
def test_an_action_that_cannot_be_understood_is_told_why(stack: Stack, peers: Peers, body: Any, complaint: str) -> None:
    answer = deliver(stack, "handle_query", body, **{"X-Webhook-Secret": SECRET})

    assert complaint in invalid_input(answer)
    assert peers.hasura.requests == []


@pytest.mark.parametrize("path", ["handle_event", "handle_query"])
@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_not_json_is_refused(stack: Stack, peers: Peers, path: str, body: bytes) -> None:
    invalid_input(deliver_bytes(stack, path, body, **{"X-Webhook-Secret": SECRET}))


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        ("slow", "no answer from Hasura within 8 s"),
        ("refusing", "Hasura gave no answer (TransportServerError)"),
        ("erroring", "Hasura refuses the query: database query error"),
    ],
)
def test_a_question_that_hasura_does_not_answer_is_told_why(
    stack: Stack, peers: Peers, mode: Any, complaint: str
) -> None:
    peers.hasura.mode = mode

    assert complaint in refusal(ask(stack, "a tent"), 424)

    wait_for_log(stack, complaint)
    assert peers.openai.requests == []


@pytest.mark.parametrize("junk", JUNK)
def test_a_question_that_something_else_than_hasura_answers_is_told_so(stack: Stack, peers: Peers, junk: str) -> None:
    peers.hasura.mode, peers.hasura.junk = "junk", JUNK[junk]

    assert "Hasura " in refusal(ask(stack, "a tent"), 424)


def test_a_question_while_hasura_is_down_is_told_so_and_the_next_is_answered(stack: Stack, peers: Peers) -> None:
    peers.hasura.stop()
    assert "Hasura gave no answer (TransportConnectionFailed)" in refusal(ask(stack, "a tent"), 424)

    peers.hasura.start()

    json_answer(ask(stack, "a tent"))


@pytest.mark.parametrize(
    ("mode", "status", "complaint"),
    [
        ("rate_limited", 429, "too many requests"),
        ("slow", 424, "no answer within 12 s"),
        ("broken", 424, "cannot be read (JSONDecodeError): check OPENAI_BASE_URL"),
        ("elsewhere", 424, "check OPENAI_BASE_URL"),
        ("refusing", 424, "the model failed"),
    ],
)
def test_a_question_that_the_model_does_not_answer_is_told_why(
    stack: Stack, peers: Peers, mode: Any, status: int, complaint: str
) -> None:
    peers.openai.mode = mode

    assert complaint in refusal(ask(stack, "a tent"), status)


def test_a_model_that_asks_for_a_long_pause_is_not_waited_for(stack: Stack, peers: Peers) -> None:
    peers.openai.mode, peers.openai.retry_after = "rate_limited", 60

    assert "no answer within 12 s" in refusal(ask(stack, "a tent"), 424)


def test_an_empty_answer_of_the_model_is_not_passed_on(stack: Stack, peers: Peers) -> None:
    peers.openai.reply = lambda body: " "

    assert "the model said nothing" in refusal(ask(stack, "a tent"), 424)


# -- settings and secrets


@pytest.mark.parametrize(("path", "body"), [("handle_event", "product_insert"), ("handle_query", "product_action")])
@pytest.mark.parametrize("guess", ["", "a-guess", "é"])
def test_a_caller_without_the_shared_secret_is_refused(
    stack: Stack, peers: Peers, path: str, body: str, guess: str
) -> None:
    answer = deliver(stack, path, payload(body), **{"X-Webhook-Secret": guess})

    assert "X-Webhook-Secret" in refusal(answer, 401)
    assert peers.hasura.requests == []
    assert SECRET not in answer.text + stack.log()


def test_without_settings_it_is_served_and_names_what_is_missing(peers: Peers) -> None:
    hasura_alone = {"GRAPHQL_ENDPOINT": peers.hasura.url, "ADMIN_SECRET": ADMIN_SECRET}
    for settings, missing in (({}, "GRAPHQL_ENDPOINT"), (hasura_alone, "OPENAI_API_KEY")):
        with serving_bare(PROJECT, **settings) as api:
            assert f"{missing} is not set" in refusal(ask(api, "a tent"), 424)
            if not settings:
                assert f"{missing} is not set" in retry_reason(handle(api, inserted()))


def test_wrong_secrets_are_said_to_be_that_and_shown_nowhere(stack: Stack, peers: Peers) -> None:
    peers.openai.api_key = "another"
    key = ask(stack, "a tent")
    peers.hasura.admin_secret = "another"
    secret = ask(stack, "a tent")

    assert "check OPENAI_API_KEY" in refusal(key, 424)
    assert 'invalid "x-hasura-admin-secret"' in refusal(secret, 424)
    for credential in (ADMIN_SECRET, API_KEY):
        assert credential not in key.text + secret.text + stack.log()


# -- in Jupyter


def test_its_cells_run_from_top_to_bottom_in_jupyter(peers: Peers, tmp_path: Path) -> None:
    event, action = python_blocks(f"{PROJECT}/server.ipynb")
    event = event.replace("await", "inserted = await")

    outputs = run_in_jupyter(PROJECT, tmp_path, more=f"{event}\nprint(inserted)\n{action}", **peers.settings())

    printed, answer = outputs
    assert printed["text"] == "Result(result='inserted')\n"
    assert "products=['Vacuum flask', " in answer["data"]["text/plain"]


def test_setup_and_the_sample_products_can_be_run_twice(peers: Peers, tmp_path: Path) -> None:
    before = (dict(peers.weaviate.classes), dict(peers.weaviate.objects))

    setup = run_in_jupyter(PROJECT, tmp_path, "setup.ipynb", **peers.settings())
    insert = run_in_jupyter(PROJECT, tmp_path, "insert_data.ipynb", **peers.settings())

    assert (peers.weaviate.classes, peers.weaviate.objects) == before
    assert "price: number" in setup[-1]["data"]["text/plain"]
    assert "10 products are in Weaviate" in insert[-1]["data"]["text/plain"]


@pytest.mark.parametrize(
    ("notebook", "changes", "complaint"),
    [
        ("setup.ipynb", {"WEAVIATE_URL": ""}, "WEAVIATE_URL is not set"),
        ("setup.ipynb", {"WEAVIATE_API_KEY": "wrong"}, "Weaviate answers 401: .*API key"),
        ("setup.ipynb", {"WEAVIATE_API_KEY": ""}, "Weaviate answers 401: .*API key"),
        ("insert_data.ipynb", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set"),
        ("insert_data.ipynb", {"WEAVIATE_API_KEY": "wrong"}, "Weaviate answers 401: .*API key"),
        ("insert_data.ipynb", {"OPENAI_API_KEY": "wrong"}, "Vacuum flask: connection to OpenAI failed"),
    ],
)
def test_a_notebook_that_cannot_do_its_work_says_why(
    peers: Peers, tmp_path: Path, notebook: str, changes: dict[str, str], complaint: str
) -> None:
    with pytest.raises(CellExecutionError, match=complaint):
        run_in_jupyter(PROJECT, tmp_path, notebook, **peers.settings(**changes))
