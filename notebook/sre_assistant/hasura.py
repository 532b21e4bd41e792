"""Calls from Hasura, and queries of Hasura. This file is the same in each project.

`trigger` and `action` prepare a function to be called by Hasura: they check the shared secret, and turn an error into
the response that makes Hasura do the right thing. `execute` sends a query. Settings are environment variables.
"""

import asyncio
import functools
import hmac
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import flask
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from pydantic import AfterValidator, BaseModel

log = logging.getLogger("hasura")

GRAPHQL_TIMEOUT = float(os.environ.get("GRAPHQL_TIMEOUT") or 10)  # seconds, for one query
ANSWER_TIMEOUT = float(os.environ.get("ANSWER_TIMEOUT") or 25)  # seconds, for a whole Action, which Hasura gives 30

Row = TypeVar("Row")
Payload = TypeVar("Payload")
Handler = Callable[..., Awaitable[Any]]


class Failure(Exception):
    """Hasura, another server or a setting is out of order: the same request may succeed later."""

    retry_after = 10  # seconds


class TooManyRequests(Failure):
    """Another server takes no more requests for `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(Exception):
    """The values cannot be handled: the same request would fail again."""


class Data(BaseModel, Generic[Row]):
    """The row before and after: `old` is null for INSERT and MANUAL, `new` for DELETE."""

    old: Row | None = None
    new: Row | None


class Change(BaseModel, Generic[Row]):
    """MANUAL is the button *Invoke trigger* of the console."""

    op: Literal["INSERT", "UPDATE", "DELETE", "MANUAL"]
    data: Data[Row]


class RowEvent(BaseModel, Generic[Row]):
    """The body that an Event Trigger sends. `Row` has the columns that are used."""

    id: str = ""
    table: dict[str, str] = {}
    event: Change[Row]

    @classmethod
    def insert(cls, row: Row) -> "RowEvent[Row]":
        """The event of an inserted row, to call an endpoint in the notebook."""
        return cls(event=Change(op="INSERT", data=Data(new=row)))

    @property
    def new(self) -> Row | None:
        """The row after the change, None if it was deleted."""
        return self.event.data.new

    def row_of(self, table: str) -> Row | None:
        """Return `new`; raises Rejected if it is of another table."""
        if self.table and self.table.get("name") != table:
            raise Rejected(f"it is about the table {self.table.get('name')}, and only {table} is handled here")
        return self.new


def _in_utc(time: datetime) -> datetime:
    if not 1970 <= time.year < 9999:
        raise ValueError("the year is out of range")
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


class CronEvent(BaseModel, Generic[Payload]):
    """The body that a Cron Trigger sends; `payload` is what the trigger has been given. A one-off event has no name."""

    id: str
    name: str | None = None
    scheduled_time: Annotated[datetime, AfterValidator(_in_utc)]
    payload: Payload | None = None


@dataclass
class Result:
    """What became of an event, as Hasura's console shows it."""

    result: str


def trigger(handler: Handler) -> Handler:
    """Let an Event Trigger or a Cron Trigger call a function of one `event`.

    Hasura delivers an event again after a Failure, until its cause is fixed. One that is Rejected it does not: the log
    has it, and Hasura the reason.
    """

    @functools.wraps(handler)
    async def respond(event: Any, headers: Mapping[str, str] | None = None) -> Any:
        _check_secret(headers)
        try:
            return await handler(event)
        except Rejected as error:
            log.error("put aside: event %.100r: %s", event.id, error)
            return Result(f"put aside: {error}")
        except Failure as error:
            log.warning("to be delivered again: %s", error)
            flask.abort(503, str(error), retry_after=error.retry_after)

    respond.__signature__ = inspect.signature(respond, follow_wrapped=False)  # its own: the engine passes `headers` too
    return respond


def action(handler: Handler) -> Handler:
    """Let an Action call a function of one `input`.

    Errors have a 4xx status: for any other, Hasura replaces the message with "internal error".
    """

    @functools.wraps(handler)
    async def respond(input: Any, headers: Mapping[str, str] | None = None) -> Any:
        _check_secret(headers)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await handler(input)
        except Rejected as error:
            flask.abort(400, str(error))
        except (Failure, TimeoutError) as error:
            problem = str(error) or f"no answer within {ANSWER_TIMEOUT:g} s. Ask again later"
            log.warning("no answer: %s", problem)
            if isinstance(error, TooManyRequests):
                flask.abort(429, problem, retry_after=error.retry_after)
            flask.abort(424, problem)

    respond.__signature__ = inspect.signature(respond, follow_wrapped=False)  # its own: the engine passes `headers` too
    return respond


def _check_secret(headers: Mapping[str, str] | None) -> None:
    """Abort with 401 if WEBHOOK_SECRET is set and the headers do not contain it; a call in the notebook has none."""
    secret = os.environ.get("WEBHOOK_SECRET", "")
    if headers is None or not secret:
        return
    if not hmac.compare_digest(headers.get("X-Webhook-Secret", "").encode(), secret.encode()):
        flask.abort(401, "the header X-Webhook-Secret is missing or is not the value of WEBHOOK_SECRET")


def setting(name: str) -> str:
    """Return the environment variable `name`; raises Failure if it is not set."""
    value = os.environ.get(name)
    if not value:
        raise Failure(f"{name} is not set: give it to the stack as an environment variable and start it again")
    return value


async def execute(query: GraphQLRequest, **variables: Any) -> dict[str, Any]:
    """Return the data of a query; raises Rejected if the database refuses the values, Failure without an answer."""
    try:
        if _client().transport.client is None:
            await _client().connect_async()
        return await _client().session.execute(GraphQLRequest(query, variable_values=variables))
    except TimeoutError:
        raise Failure(f"no answer from Hasura within {GRAPHQL_TIMEOUT:g} s") from None
    except TransportError as error:
        log.warning("%.500r", error)  # for the operator only: it contains addresses
        raise _explain(error) from None


@functools.cache
def _client() -> Client:
    """Return the shared client; it is created on first use, so that a notebook starts without settings."""
    transport = HTTPXAsyncTransport(
        url=setting("GRAPHQL_ENDPOINT"),
        headers={"X-Hasura-Admin-Secret": setting("ADMIN_SECRET")},
        timeout=None,  # execute_timeout below limits the whole request
    )
    return Client(transport=transport, execute_timeout=GRAPHQL_TIMEOUT)


def _explain(error: TransportError) -> Failure | Rejected:
    match error:
        case TransportQueryError(
            errors=[{"message": message, "extensions": {"code": "constraint-violation" | "data-exception"}}, *_]
        ):
            return Rejected(message)
        case TransportQueryError(errors=[{"message": message}, *_]):
            return Failure(f"Hasura refuses the query: {message}")
    return Failure(f"Hasura gave no answer ({type(error).__name__}): check GRAPHQL_ENDPOINT, and whether it is up")
