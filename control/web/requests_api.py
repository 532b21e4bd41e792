"""`/process/requests…`, the last calls as JSON, and `/process/metrics`."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request
from prometheus_client.exposition import choose_encoder

from control.config.errors import ApiError, UnknownRequest
from control.deployment.deployment import Deployment
from control.traffic.exchange import Exchange
from control.traffic.history import History
from control.traffic.metrics import Metrics
from control.traffic.replay import ReplayResult, replay
from control.web.csrf import refuse_cross_site
from control.web.process_api import api_error, http_error

MARGIN = 5  # seconds that a replay waits longer than the API itself

requests_api = Blueprint("requests_api", __name__, url_prefix="/process")
requests_api.register_error_handler(ApiError, api_error)
requests_api.register_error_handler(403, http_error)


@requests_api.get("/requests")
def calls() -> Response:
    api: Deployment = current_app.extensions["api"]
    return jsonify({"kept": api.settings.inspect, "requests": [call.in_short() for call in inspector().calls()]})


@requests_api.get("/requests/<number>")
def whole(number: str) -> Response:
    return jsonify(as_json(found(number)))


@requests_api.post("/requests/<number>/replay")
def send_again(number: str) -> Response:
    refuse_cross_site(request)
    done = replayed(found(number))
    answers = {"before": as_json(done.before), "after": as_json(done.after)}
    return jsonify({**answers, "left_out": done.left_out})


@requests_api.get("/metrics")
def metrics() -> Response:
    found: Metrics = current_app.extensions["metrics"]
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(found.registry), content_type=content_type)


def inspector() -> History:
    """The application's Inspector."""
    found: History = current_app.extensions["inspector"]
    return found


def found(number: str) -> Exchange:
    """The call; raises NoSuchCall."""
    call = inspector().find(number)
    if call is None:
        raise UnknownRequest("This request is no longer stored: only the last 200 are, and none over a restart.")
    return call


def replayed(call: Exchange) -> ReplayResult:
    """The call, sent again; raises ReplayError."""
    api: Deployment = current_app.extensions["api"]
    return replay(call, api.run, inspector(), api.settings.request_timeout + MARGIN)


def as_json(call: Exchange) -> dict[str, Any]:
    parts = {name: asdict(getattr(call, name)) for name in ("request", "response", "stderr", "traceback")}
    return {**call.in_short(), **parts}
