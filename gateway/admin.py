"""The admin socket of a slot: what the control app and nginx ask its gateway."""

import json
from typing import Any

from tornado import web

from gateway.casualties import Verdict

OVERLOADED = Verdict(503, "overloaded", "More requests are waiting than QUEUE_LIMIT allows. Try again.")
# Never to be called safe to try again: the cell may have done its work.
ENDED = Verdict(502, "no-answer", "The connection ended before an answer came. The log may tell why.")


def application(app: Any) -> web.Application:
    """Routes for a GatewayApp."""
    routes = [("/status", StatusHandler, {"app": app}), ("/explain", ExplainHandler, {"app": app})]
    return web.Application(routes, log_function=lambda handler: None)


class AdminHandler(web.RequestHandler):
    """A handler that knows the application it tells about."""

    def initialize(self, app: Any) -> None:
        self.app = app

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """Finish with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(content))


class StatusHandler(AdminHandler):
    """{"ready": bool, "endpoints": [{"method", "path"}], "problems": […], "kernels", "kernel_deaths"}."""

    def get(self) -> None:
        self.answer(200, {"ready": self.app.ready, **self.app.personality.status()})


class ExplainHandler(AdminHandler):
    """The answer, in the slot's name, to a request that nginx got none for; it is passed on to the caller."""

    async def get(self) -> None:
        request_id = self.request.headers.get("X-Request-Id", "")
        was_taken = self.request.headers.get("X-Connect-Time", "-") != "-"
        # What no kernel took is no casualty, whatever became of another request with that id.
        verdict = (await self.app.personality.explain(request_id) or ENDED) if was_taken else OVERLOADED
        if verdict.status == 503:
            self.set_header("Retry-After", "1")
        extensions = {"code": verdict.code, "request_id": request_id}
        self.answer(verdict.status, {"message": verdict.message, "extensions": extensions})
