"""`/requests`: the last requests as a page that updates itself, and a page for each, with Replay."""

import hashlib
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from control.config.errors import ReplayError, UnknownRequest
from control.traffic.diff import Comparison, format_body
from control.traffic.exchange import Exchange
from control.web.components import components
from control.web.csrf import refuse_cross_site
from control.web.requests_api import find_exchange, replay_exchange

HOMEPAGE_ROWS = 6
MAX_ROWS = 200

requests_page = Blueprint("requests_page", __name__)


@dataclass(frozen=True)
class RequestList:
    """The exchanges that match the filter (`text`, `errors_only`, `project`), at most `rows`, of `total` stored ones.

    `projects` are those that can be chosen: with requests, and the chosen `project`, which is "" for all.
    """

    exchanges: list[Exchange]
    rows: int
    total: int
    text: str
    errors_only: bool
    project: str
    projects: list[str]
    is_enabled: bool

    @classmethod
    def load(cls, rows: int, text: str = "", errors_only: bool = False, project: str = "") -> "RequestList":
        latest = components().history.latest()
        matches = [
            each
            for each in latest
            if project in ("", each.project) and contains(each, text) and (each.is_error or not errors_only)
        ]
        projects = sorted({name for name in (project, *(each.project for each in latest)) if name})
        is_enabled = components().deployment.settings.inspect
        return cls(matches[:rows], rows, len(latest), text, errors_only, project, projects, is_enabled)

    @property
    def version(self) -> str:
        """A hash of all that is displayed."""
        ids = ",".join(exchange.id for exchange in self.exchanges)
        data = f"{ids} {self.total} {self.project} {self.projects} {self.is_enabled}"
        return hashlib.blake2s(data.encode(), digest_size=8).hexdigest()


def contains(exchange: Exchange, text: str) -> bool:
    """Whether all words of `text` are in the exchange's line in the list."""
    status = f"{exchange.status} broken off" if exchange.is_broken_off else exchange.status
    line = f"{exchange.method} {exchange.path} {status} {exchange.request_id}".lower()
    return all(word in line for word in text.lower().split())


@requests_page.get("/requests")
def show_list() -> ResponseReturnValue:
    """All that match the filter; 204 for a client that has `seen` this very version."""
    rows, errors_only = request.args.get("rows", MAX_ROWS, type=int), request.args.get("failed") == "1"
    text, project = request.args.get("text", ""), request.args.get("notebook", "").strip()
    request_list = RequestList.load(min(max(rows, 1), MAX_ROWS), text, errors_only, project)
    if request.args.get("seen") == request_list.version:
        return "", 204
    return render_template("requests.html", request_list=request_list)


@requests_page.get("/requests/<exchange_id>")
def show_one(exchange_id: str) -> ResponseReturnValue:
    return render_template("request.html", exchange=find_exchange(exchange_id))


@requests_page.post("/requests/<exchange_id>")
def replay_one(exchange_id: str) -> ResponseReturnValue:
    """The request's page with both responses."""
    refuse_cross_site(request)
    exchange = find_exchange(exchange_id)
    try:
        result = replay_exchange(exchange)
    except ReplayError as error:
        return render_template("request.html", exchange=exchange, notice=str(error)), error.status
    comparison = Comparison(result.before, result.after)
    return render_template("request.html", exchange=exchange, comparison=comparison, left_out=result.left_out)


@requests_page.errorhandler(UnknownRequest)
def show_not_found(error: UnknownRequest) -> tuple[str, int]:
    return render_template("request_not_found.html", reason=str(error)), error.status


@requests_page.app_template_filter("duration")
def format_duration(milliseconds: float) -> str:
    if milliseconds >= 10_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


@requests_page.app_template_filter("size")
def format_size(size: int) -> str:
    if size < 10_000:
        return f"{size:,} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"


requests_page.add_app_template_filter(format_body, "formatted_body")
