"""The admin API of a slot, for the control app and nginx."""

import json
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from tornado import web

from gateway.arbiter.crash_verdicts import Verdict
from gateway.arbiter.logging_handler import LoggingHandler
from gateway.arbiter.observer import build_request
from gateway.http.response import Response, error_body
from gateway.records.record import BODY_LIMIT

OVERLOADED = Verdict(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
# Never "try again": the cell may have done its work.
NO_RESPONSE = Verdict(502, "no-answer", "The connection closed before a response arrived. The log may say why.")
# What nginx adds to the headers of a request without a response (conf/nginx.conf.j2).
NGINX_HEADERS = {"X-Connect-Time", "X-Failed-Method", "X-Failed-Target", "X-Failed-After"}


def application(app: Any) -> web.Application:
    """Routes for a GatewayApp."""
    routes = [("/status", StatusHandler), ("/explain", ExplainHandler)]
    return web.Application(routes, app=app, log_function=lambda handler: None)


class StatusHandler(LoggingHandler):
    """{"ready": bool, "endpoints": [{"method", "path", "example"?}], "problems": […], "kernels", …}."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        app = self.settings["app"]
        self.finish(json.dumps({"ready": app.ready, **app.personality.status()}))


@web.stream_request_body
class ExplainHandler(LoggingHandler):
    """Makes the response to a request that nginx got none for; nginx passes it on to the caller.

    nginx forwards the request itself, with NGINX_HEADERS. Its body is read completely, else nginx would not read the
    response, but only the beginning is stored.
    """

    body = b""
    size = 0

    def prepare(self) -> None:
        self.app = self.settings["app"]
        self.request.connection.set_max_body_size(self.app.slot.max_body_mb * 1024 * 1024)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.body += chunk[: BODY_LIMIT - len(self.body)]

    async def post(self) -> None:
        is_connected = self.request.headers.get("X-Connect-Time", "-") != "-"
        self.started = time.monotonic() - self._seconds()
        verdict = OVERLOADED  # without a connection no kernel had the request
        if is_connected:
            verdict = await self.app.personality.explain(self.request_id, self.started) or NO_RESPONSE
        headers = [("Content-Type", "application/json")]
        if verdict.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("Retry-After", "1"))
        body = error_body(verdict.code, verdict.message, {"request_id": self.request_id})
        self._record(Response(verdict.status, headers, body))
        self.set_status(verdict.status)
        for name, value in headers:
            self.set_header(name, value)
        self.finish(body)

    def _record(self, response: Response) -> None:
        """Record the request: its kernel cannot any more, or there was none."""
        nginx = self.request.headers
        method, target = nginx.get("X-Failed-Method", ""), nginx.get("X-Failed-Target", "")
        if not method or not target:
            return
        headers = [pair for pair in nginx.get_all() if pair[0] not in NGINX_HEADERS]
        request = build_request(method, target, headers, self.size)
        self.app.observer.record_request(request, self.body, response, self.started)

    def _seconds(self) -> float:
        """How long ago the request began."""
        with suppress(ValueError):
            return float(self.request.headers.get("X-Failed-After", "0"))
        return 0.0
