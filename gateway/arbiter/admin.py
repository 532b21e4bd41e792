"""The admin socket of a slot: what the control app and nginx ask its gateway."""

import json
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from tornado import web

from gateway.arbiter.crash_verdicts import Verdict
from gateway.arbiter.logging_handler import LoggingHandler
from gateway.arbiter.observer import request_of
from gateway.http.response import Response, error_body
from gateway.records.record import BODY_LIMIT

OVERLOADED = Verdict(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
# Never to be called safe to try again: the cell may have done its work.
ENDED = Verdict(502, "no-answer", "The connection ended before an answer came. The log may tell why.")
# What nginx puts beside the headers of the request that it asks about (conf/nginx.conf.j2).
ASKED_BY_NGINX = {"X-Connect-Time", "X-Failed-Method", "X-Failed-Target", "X-Failed-After"}


def application(app: Any) -> web.Application:
    """Routes for a GatewayApp."""
    routes = [("/status", StatusHandler, {"app": app}), ("/explain", ExplainHandler, {"app": app})]
    return web.Application(routes, log_function=lambda handler: None)


class AdminHandler(LoggingHandler):
    """A handler that knows the application it tells about."""

    def initialize(self, app: Any) -> None:
        self.app = app

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """Finish with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(content))


class StatusHandler(AdminHandler):
    """{"ready": bool, "endpoints": [{"method", "path"}], "problems": […], "kernels", …}."""

    def get(self) -> None:
        self.answer(200, {"ready": self.app.ready, **self.app.personality.status()})


@web.stream_request_body
class ExplainHandler(AdminHandler):
    """The answer, in the slot's name, to a request that nginx got none for; it is passed on to the caller.

    nginx sends the request itself along, with what is in ASKED_BY_NGINX. Its body is read, for nginx to read the
    answer, but only the beginning is kept.
    """

    def initialize(self, app: Any) -> None:
        super().initialize(app)
        self.beginning = b""
        self.size = 0

    def prepare(self) -> None:
        self.request.connection.set_max_body_size(self.app.slot.max_body_mb * 1024 * 1024)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.beginning += chunk[: BODY_LIMIT - len(self.beginning)]

    async def post(self) -> None:
        was_taken = self.request.headers.get("X-Connect-Time", "-") != "-"
        # What no kernel took is no casualty, whatever became of another request with that id.
        verdict = (await self.app.personality.explain(self.request_id) or ENDED) if was_taken else OVERLOADED
        headers = [("Content-Type", "application/json")]
        if verdict.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("Retry-After", "1"))
        body = error_body(verdict.code, verdict.message, {"request_id": self.request_id})
        self._note(Response(verdict.status, headers, body))
        self.set_status(verdict.status)
        for name, value in headers:
            self.set_header(name, value)
        self.finish(body)

    def _note(self, answer: Response) -> None:
        """Tell of the request: its kernel cannot any more, or there was none."""
        asked = self.request.headers
        method, target = asked.get("X-Failed-Method", ""), asked.get("X-Failed-Target", "")
        if not method or not target:
            return
        headers = [pair for pair in asked.get_all() if pair[0] not in ASKED_BY_NGINX]
        took = 0.0
        with suppress(ValueError):
            took = float(asked.get("X-Failed-After", "0"))
        request = request_of(method, target, headers, self.size)
        self.app.observer.record_request(request, self.beginning, answer, time.monotonic() - took)
