"""What typed endpoints take and return: one source for FastAPI and for a cell of the notebook."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel


class Square(BaseModel):
    n: int
    square: int


class Person(BaseModel):
    id: int
    name: str
    tags: list[str]
    text: str


class Change(BaseModel):
    old: Person | None
    new: Person | None


class Operation(BaseModel):
    op: Literal["INSERT", "UPDATE", "DELETE", "MANUAL"]
    data: Change
    session_variables: dict[str, str] | None
    trace_context: dict[str, Any] | None = None


class Delivery(BaseModel):
    current_retry: int
    max_retries: int


class Event(BaseModel):
    """An event of a trigger (https://hasura.io/docs/2.0/event-triggers/payload/)."""

    id: UUID
    created_at: datetime
    event: Operation
    delivery_info: Delivery
    table: dict[str, str]
    trigger: dict[str, str]


class Receipt(BaseModel):
    id: int
    op: str
