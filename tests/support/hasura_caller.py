"""What Hasura v2 makes of a handler's answers, after graphql-engine's source.

Below server/src-lib/Hasura: for Actions `callWebhook` in GraphQL/Execute/Action.hs, for Event Triggers
`retryOrSetError` in Eventing/EventTrigger.hs, for Cron Triggers `retryOrMarkError` in Eventing/ScheduledTrigger.hs,
which is alike.
"""

import json
from collections.abc import Callable
from typing import Any

import requests
from ariadne import QueryType, graphql_sync, make_executable_schema
from graphql import (
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_named_type,
    get_nullable_type,
)

Call = Callable[[dict[str, Any]], requests.Response]
ROLE = {"x-hasura-role": "admin"}


def act(types: str, query: str, call: Call, **variables: Any) -> dict[str, Any]:
    """What Hasura's client gets for a query of an Action: `{"data"}`, with `"errors"` where there are some.

    `types`: the Action and its types in GraphQL's language; `call` posts a body to the handler.
    """
    root = QueryType()

    @root.field(action_name(types))
    def resolve(_: None, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        body = {
            "action": {"name": info.field_name},
            "input": arguments,
            "session_variables": ROLE,
            "request_query": query,
        }
        try:
            answer = call(body)
        except requests.RequestException:
            raise GraphQLError("http exception when calling webhook") from None
        return read(answer, info.return_type)

    schema = make_executable_schema(types, root)
    _, result = graphql_sync(schema, {"query": query, "variables": variables}, debug=False)
    return result


def action_name(types: str) -> str:
    """The one field of `type Query`."""
    schema = make_executable_schema(types)
    assert schema.query_type
    [name] = schema.query_type.fields
    return name


def read(answer: requests.Response, output_type: GraphQLOutputType) -> Any:
    """The value of an answer. GraphQLError, with Hasura's message: it is an error, or not of the declared type."""
    try:
        value = json.loads(answer.content)
    except ValueError:
        raise GraphQLError("not a valid json response from webhook") from None
    if 400 <= answer.status_code < 500:
        if not isinstance(value, dict) or not isinstance(value.get("message"), str):
            raise GraphQLError("parsing ActionWebhookErrorResponse failed", extensions={"code": "parse-failed"})
        raise GraphQLError(value["message"], extensions=value.get("extensions"))
    if not 200 <= answer.status_code < 300:
        raise GraphQLError("internal error")
    check(value, output_type)
    return value


def check(value: Any, output_type: GraphQLOutputType) -> None:
    """GraphQLError: the value is a list where an object is declared or the other way round, or has other fields."""
    is_list = isinstance(get_nullable_type(output_type), GraphQLList)
    if is_list != isinstance(value, list):
        raise GraphQLError(f"expecting {'array' if is_list else 'object'} for action webhook response")
    named_type = get_named_type(output_type)
    for row in value if isinstance(value, list) else [value]:
        if isinstance(named_type, GraphQLObjectType):
            check_fields(row, named_type)


def check_fields(row: dict[str, Any], object_type: GraphQLObjectType) -> None:
    """GraphQLError: a field too many, or none where one must be."""
    if extra := row.keys() - object_type.fields.keys():
        raise GraphQLError(f"unexpected fields in webhook response: {', '.join(sorted(extra))}")
    for name, field in object_type.fields.items():
        if isinstance(field.type, GraphQLNonNull) and row.get(name) is None:
            raise GraphQLError(f"field {name!r} expected in webhook response, but not found")


def pause(answer: requests.Response | None, tries: int, retries: int, interval: int) -> int | None:
    """Seconds until an event is delivered again; None: it is not. `answer` is None where none came in time.

    `tries`: how often it has been delivered again so far. `retries`, `interval` (seconds): the trigger's retry_conf.
    """
    if answer is not None and 200 <= answer.status_code < 300:
        return None
    retry_after = (answer.headers.get("Retry-After") or "") if answer is not None else ""
    seconds = int(retry_after) if retry_after.isdecimal() and int(retry_after) > 0 else None
    if tries >= retries and seconds is None:
        return None
    return seconds or interval
