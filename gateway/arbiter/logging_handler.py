"""What tornado says of a request that failed, in the log as the engine says it: under the request's id, no query."""

import traceback
from types import TracebackType

from tornado import web

from gateway.records import log
from gateway.records.record import Excerpt


class LoggingHandler(web.RequestHandler):
    """A handler whose failures are in the log line by line, each behind the request's id."""

    @property
    def request_id(self) -> str:
        """nginx lets through only what is harmless in a log line, and makes one where there is none."""
        return self.request.headers.get("X-Request-Id", "")

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """What tornado calls for an exception."""
        told = str(value) if isinstance(value, web.HTTPError) else "".join(traceback.format_exception(typ, value, tb))
        log.write_lines(self.request_id or log.NO_REQUEST, Excerpt.tail(told).render())
