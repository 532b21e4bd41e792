"""`/requests`: the last calls as a page that renews itself, and a page for each, with Replay."""

import hashlib
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

from control.config.errors import ReplayError, UnknownRequest
from control.deployment.deployment import Deployment
from control.traffic.diff import Comparison, pretty
from control.traffic.exchange import Exchange
from control.web.csrf import refuse_cross_site
from control.web.requests_api import found, inspector, replayed

ON_THE_HOMEPAGE = 6
MOST = 200

requests_page = Blueprint("requests_page", __name__)


@dataclass(frozen=True)
class RequestList:
    """The calls that a page shows. `text` and `failed` say which are wanted, `kept` whether any are kept at all."""

    calls: list[Exchange]
    rows: int
    total: int
    text: str
    failed: bool
    kept: bool

    @classmethod
    def now(cls, rows: int, text: str = "", failed: bool = False) -> "RequestList":
        api: Deployment = current_app.extensions["api"]
        known = inspector().calls()
        wanted = [call for call in known if matches(call, text) and (call.failed or not failed)]
        return cls(wanted[:rows], rows, len(known), text, failed, api.settings.inspect)

    @property
    def version(self) -> str:
        """Changes when anything does that is shown."""
        shown = ",".join(call.id for call in self.calls)
        return hashlib.blake2s(f"{shown} {self.total} {self.kept}".encode(), digest_size=8).hexdigest()


def matches(call: Exchange, text: str) -> bool:
    """Whether all words of `text` are in what a list says of the call."""
    line = f"{call.method} {call.path} {call.status} {call.request_id}".lower()
    return all(word in line for word in text.lower().split())


@requests_page.get("/requests")
def show_list() -> ResponseReturnValue:
    """All of them, or those that are wanted; 204 for a reader who has `seen` this very version."""
    rows = request.args.get("rows", MOST, type=int)
    listed = RequestList.now(min(max(rows, 1), MOST), request.args.get("text", ""), request.args.get("failed") == "1")
    if request.args.get("seen") == listed.version:
        return "", 204
    return render_template("requests.html", listed=listed)


@requests_page.get("/requests/<number>")
def show_one(number: str) -> ResponseReturnValue:
    return page(found(number))


@requests_page.post("/requests/<number>")
def send_again(number: str) -> ResponseReturnValue:
    """Replay: the answer is the call's page with both answers."""
    refuse_cross_site(request)
    call = found(number)
    try:
        done = replayed(call)
    except ReplayError as error:
        return page(call, notice=str(error)), error.status
    return page(call, comparison=Comparison(done.before, done.after), left_out=done.left_out)


@requests_page.errorhandler(UnknownRequest)
def gone(error: UnknownRequest) -> tuple[str, int]:
    return render_template("request_gone.html", why=str(error)), error.status


def page(call: Exchange, **names: object) -> str:
    return render_template("request.html", call=call, **names)


@requests_page.app_template_filter("phrase")
def phrase(status: int) -> str:
    """404 to "404 Not Found"."""
    known = {499: "Caller left"}
    try:
        return f"{status} {known.get(status) or HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


@requests_page.app_template_filter("took")
def took(milliseconds: float) -> str:
    """A duration as people say it."""
    if milliseconds >= 10_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


@requests_page.app_template_filter("bytes")
def in_bytes(size: int) -> str:
    """A size in bytes as people say it."""
    if size < 10_000:
        return f"{size:,} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"


requests_page.add_app_template_filter(pretty, "pretty")


@requests_page.after_request
def not_for_others(response: Response) -> Response:
    """Requests hold what callers sent: no copy of them is kept."""
    response.headers["Cache-Control"] = "no-store"
    return response
