"""Logs failed requests of tornado as the engine does: under the request's id, without the query."""

import traceback
from types import TracebackType

from tornado import web

from gateway.records import log
from gateway.records.record import Excerpt


class LoggingHandler(web.RequestHandler):
    """Logs an exception line by line, each behind the request's id."""

    @property
    def request_id(self) -> str:
        """Safe in a log line: nginx replaces any other, and a missing one."""
        return self.request.headers.get("X-Request-Id", "")

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        text = str(value) if isinstance(value, web.HTTPError) else "".join(traceback.format_exception(typ, value, tb))
        log.write_lines(self.request_id or log.NO_REQUEST, Excerpt.tail(text).render())
