"""An exchange, which is a request to the API and its response, as gateway/records/record.py records it."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

ADDRESS = re.compile(r"^/(invoke|apis/[^/?]+)(?=[/?]|$)")
Headers = list[tuple[str, str | None]]  # None: masked by the kernel


def decode_text(data: bytes, is_cut: bool, charset: str = "utf-8") -> str | None:
    """The text; None where it is binary. Cut data may end within a character."""
    try:
        text = data.decode(charset, errors="ignore" if is_cut else "strict")
    except (ValueError, LookupError):
        return None
    return None if "\0" in text else text


@dataclass(frozen=True, slots=True)
class Body:
    """`size` in bytes; where `cut`, only the beginning is in `text`, or in `base64` if the body is binary."""

    size: int
    cut: bool
    text: str | None = None
    base64: str | None = None

    @classmethod
    def from_bytes(cls, data: bytes, size: int) -> "Body":
        """From the first bytes of a body of `size` bytes."""
        is_cut = len(data) < size
        text = decode_text(data, is_cut)
        return cls(size, is_cut, text, base64.b64encode(data).decode() if text is None else None)

    def to_bytes(self) -> bytes:
        return base64.b64decode(self.base64) if self.base64 is not None else (self.text or "").encode()


@dataclass(frozen=True, slots=True)
class Text:
    """`size` in characters; where `cut`, only a part is in `text`."""

    size: int = 0
    cut: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response."""

    headers: Headers
    body: Body

    def header(self, name: str) -> str:
        """Its first value; "" where it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower() and value), "")

    @property
    def media_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Message":
        return cls([(str(name), value) for name, value in data["headers"]], Body(**data["body"]))


@dataclass(frozen=True, slots=True)
class Exchange:
    """`project` is the one whose API was called, None where nginx rejected a request to no API.

    `at` is the Unix time of the request's start, `path` includes the query.

    `endpoint` is as annotated, None where none matched; `status` is 499 where the client disconnected first. Of a
    response that `is_broken_off` the client got the status, but only the beginning of the body. One that
    nginx rejected (`is_rejected`) has no query, no body and few headers.
    """

    id: str
    project: str | None
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
    is_rejected: bool = False
    is_broken_off: bool = False

    @classmethod
    def from_json(cls, exchange_id: str, project: str | None, data: dict[str, Any]) -> "Exchange":
        """From a record of the project's API. KeyError, TypeError, ValueError: it is invalid."""
        messages = {name: Message.from_json(data[name]) for name in ("request", "response")}
        texts = {name: Text(**data[name]) for name in ("stderr", "traceback")}
        return cls(id=exchange_id, project=project, **{**data, **messages, **texts})

    @property
    def time(self) -> str:
        """The request's start in ISO 8601, UTC."""
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")

    @property
    def milliseconds(self) -> float:
        return 1000 * self.seconds

    @property
    def local_path(self) -> str:
        """The path as the notebook writes it, without the API's address, and the query."""
        return (self.path if self.project is None else ADDRESS.sub("", self.path)) or "/"

    @property
    def is_error(self) -> bool:
        return self.status >= 400 or self.is_broken_off

    @property
    def outcome(self) -> str:
        """The status, and whether the body broke off, in words."""
        unofficial = {499: "Client Closed Request"}  # nginx's
        try:
            text = f"{self.status} {unofficial.get(self.status) or HTTPStatus(self.status).phrase}"
        except ValueError:
            text = str(self.status)
        return f"{text}, broken off" if self.is_broken_off else text

    def summary(self) -> dict[str, Any]:
        """As listed in JSON; sizes in bytes."""
        return {
            "id": self.id,
            "project": self.project,
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "endpoint": self.endpoint,
            "status": self.status,
            "broken_off": self.is_broken_off,
            "milliseconds": round(self.milliseconds, 3),
            "request_size": self.request.body.size,
            "response_size": self.response.body.size,
            "request_id": self.request_id,
            "refused": self.is_rejected,
        }
