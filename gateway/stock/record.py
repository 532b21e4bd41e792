"""Records the requests that stock's handlers answer."""

import time
from collections.abc import Callable
from typing import Any

from tornado.escape import utf8

from gateway.arbiter.logging_handler import LoggingHandler
from gateway.arbiter.observer import Observer, build_request
from gateway.http.response import Response
from gateway.records.record import BODY_LIMIT, NO_TEXT


class RecordingHandler(LoggingHandler):
    """Stores what the record needs beside the request."""

    response_body = b""
    stderr = NO_TEXT
    traceback = ""

    def finish(self, chunk: Any = None) -> Any:
        self.response_body = utf8(chunk or b"")
        return super().finish(chunk)


def install(application: Any, pool: Any, observer: Observer) -> None:
    """Have `observer` record each request of a tornado application, beside its own log, and each death in `pool`."""
    pool.on_death = observer.recorder.record_death
    log: Callable[[Any], None] = application.settings.get("log_function", lambda handler: None)

    def log_and_record(handler: Any) -> None:
        log(handler)
        _record(handler, observer)

    application.settings["log_function"] = log_and_record


def _record(handler: Any, observer: Observer) -> None:
    request = handler.request
    body = getattr(handler, "response_body", b"")
    headers = list(handler._headers.get_all())
    observer.record_request(
        build_request(request.method, request.uri, list(request.headers.get_all()), len(request.body)),
        request.body[:BODY_LIMIT],
        Response(handler.get_status(), headers, body, traceback=getattr(handler, "traceback", "")),
        time.monotonic() - request.request_time(),
        int(handler._headers.get("Content-Length") or len(body)),
        getattr(handler, "stderr", NO_TEXT),
    )
