"""Records of the requests that stock's handlers answer, for notebooks in other languages than Python."""

import time
from collections.abc import Callable
from typing import Any

from tornado.escape import utf8

from gateway.arbiter.logging_handler import LoggingHandler
from gateway.arbiter.observer import Observer, request_of
from gateway.http.response import Response
from gateway.records.record import BODY_LIMIT, NO_TEXT


class RecordingHandler(LoggingHandler):
    """Keeps what is said of a request, for its record."""

    said = b""
    stderr = NO_TEXT
    traceback = ""

    def finish(self, chunk: Any = None) -> Any:
        """As tornado's."""
        self.said = utf8(chunk or b"")
        return super().finish(chunk)


def begin(application: Any, pool: Any, observer: Observer) -> None:
    """Have `observer` told of each request that a tornado application has answered, beside its own log, and of each
    kernel that dies in `pool`.
    """
    pool.on_death = observer.recorder.record_death
    log: Callable[[Any], None] = application.settings.get("log_function", lambda handler: None)

    def answered(handler: Any) -> None:
        log(handler)
        _note(handler, observer)

    application.settings["log_function"] = answered


def _note(handler: Any, observer: Observer) -> None:
    asked = handler.request
    said = getattr(handler, "said", b"")
    headers = list(handler._headers.get_all())
    answer = Response(handler.get_status(), headers, said, traceback=getattr(handler, "traceback", ""))
    size = int(handler._headers.get("Content-Length") or len(said))
    stderr = getattr(handler, "stderr", NO_TEXT)
    request = request_of(asked.method, asked.uri, list(asked.headers.get_all()), len(asked.body))
    observer.record_request(
        request, asked.body[:BODY_LIMIT], answer, time.monotonic() - asked.request_time(), size, stderr
    )
