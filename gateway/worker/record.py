"""What is known of a request once it is over, for whoever wants to hear of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.worker.answer import Answer
from gateway.worker.request import Request


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `at` is Unix time of its end; `path` is as requested, with the query.

    Bytes are those of the bodies. `status` is 499 if the caller left before it was answered.
    """

    at: float
    duration_s: float
    method: str
    path: str
    status: int
    bytes_in: int
    bytes_out: int
    request_id: str
    traceback: str

    @classmethod
    def of(cls, request: Request, answer: Answer, started: float, bytes_out: int) -> "Record":
        """The record of `request`, which came at `started` (time.monotonic) and is answered now."""
        return cls(
            at=time.time(),
            duration_s=time.monotonic() - started,
            method=request.method,
            path=request.url,
            status=answer.status,
            bytes_in=request.size,
            bytes_out=bytes_out,
            request_id=request.request_id,
            traceback=answer.traceback,
        )


Listener = Callable[[Record], None]
