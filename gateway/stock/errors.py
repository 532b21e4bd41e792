"""Responds to errors with the same JSON as the engine."""

from http import HTTPStatus
from typing import Any

from gateway.http.body import too_many_fields
from gateway.http.response import error_body
from gateway.stock.record import RecordingHandler

TOO_MANY_FIELDS = ("has too many parts", "Max number of fields exceeded")  # tornado's words, and urllib's


class JsonErrorHandler(RecordingHandler):
    """Responds to every failure with JSON; tracebacks are in the log only."""

    def respond_error(self, status: int, code: str, message: str) -> None:
        extensions = {"method": self.request.method, "path": self.request.path, "request_id": self.request_id}
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(error_body(code, message, extensions))

    def write_error(self, status_code: int, **details: Any) -> None:
        error = str(details["exc_info"][1]) if "exc_info" in details else ""
        if any(words in error for words in TOO_MANY_FIELDS):
            rejection = too_many_fields()
            self.respond_error(rejection.status, rejection.code, str(rejection))
            return
        phrase = HTTPStatus(status_code).phrase.lower()
        code = "internal-error" if status_code == HTTPStatus.INTERNAL_SERVER_ERROR else phrase.replace(" ", "-")
        self.respond_error(status_code, code, "internal error" if code == "internal-error" else phrase)


class UnknownPathHandler(JsonErrorHandler):
    """Any path that is no endpoint."""

    def prepare(self) -> None:
        self.respond_error(HTTPStatus.NOT_FOUND, "not-found", "no endpoint at this path")
