"""A call of the API as the page and the JSON show it; gateway/records/record.py says where it comes from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Headers = list[tuple[str, str | None]]  # None: masked before it left its kernel


@dataclass(frozen=True, slots=True)
class Body:
    """`size` in bytes; of one that was `cut` only the beginning is in `text`, or in `base64` where it is no text."""

    size: int
    cut: bool
    text: str | None = None
    base64: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """`size` in characters; of one that was `cut` only a part is there."""

    size: int
    cut: bool
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response."""

    headers: Headers
    body: Body

    def header(self, name: str) -> str:
        """Its first value; "" where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower() and value), "")

    @property
    def media_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Message":
        return cls([(str(name), value) for name, value in data["headers"]], Body(**data["body"]))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call. `at` is the Unix time of its begin, `path` has its query.

    `endpoint` is as annotated, None where none answered; `status` is 499 where the caller left before. One that nginx
    `refused` has no query, no body and few headers.
    """

    id: str
    at: float
    seconds: float
    method: str
    path: str
    endpoint: str | None
    status: int
    request_id: str
    request: Message
    response: Message
    stderr: Text
    traceback: Text
    refused: bool = False

    @classmethod
    def from_json(cls, number: str, data: dict[str, Any]) -> "Exchange":
        """From a record. KeyError, TypeError, ValueError: it is none."""
        messages = {name: Message.from_json(data[name]) for name in ("request", "response")}
        texts = {name: Text(**data[name]) for name in ("stderr", "traceback")}
        return cls(id=number, **{**data, **messages, **texts})

    @property
    def time(self) -> str:
        """Its begin in ISO 8601, UTC."""
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")

    @property
    def milliseconds(self) -> float:
        return 1000 * self.seconds

    @property
    def failed(self) -> bool:
        return self.status >= 400

    def in_short(self) -> dict[str, Any]:
        """What a list says of it; sizes in bytes."""
        return {
            "id": self.id,
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "endpoint": self.endpoint,
            "status": self.status,
            "milliseconds": round(self.milliseconds, 3),
            "request_size": self.request.body.size,
            "response_size": self.response.body.size,
            "request_id": self.request_id,
            "refused": self.refused,
        }
