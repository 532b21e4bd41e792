"""Errors of the stock path as JSON, in the same form as the engine's."""

from http import HTTPStatus
from typing import Any

from gateway.http.response import error_body
from gateway.stock.record import RecordingHandler


class JsonErrorHandler(RecordingHandler):
    """Answers every failure as JSON, in the form that Hasura Actions read; tracebacks stay in the log."""

    def problem(self, status: int, code: str, message: str) -> None:
        """Finish with an error."""
        where = {"method": self.request.method, "path": self.request.path, "request_id": self.request_id}
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(error_body(code, message, where))

    def write_error(self, status_code: int, **_: Any) -> None:
        """What tornado calls for an exception; its traceback is in the log."""
        phrase = HTTPStatus(status_code).phrase.lower()
        code = "internal-error" if status_code == HTTPStatus.INTERNAL_SERVER_ERROR else phrase.replace(" ", "-")
        self.problem(status_code, code, "internal error" if code == "internal-error" else phrase)


class UnknownPathHandler(JsonErrorHandler):
    """Any path that is no endpoint."""

    def prepare(self) -> None:
        self.problem(HTTPStatus.NOT_FOUND, "not-found", "nothing answers at this path")
