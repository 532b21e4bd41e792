"""`/process/requests…`: the last requests as JSON, Replay, and `/process/metrics`."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client.exposition import choose_encoder

from control.config.errors import UnknownRequest
from control.traffic.api_client import EXTRA_TIMEOUT
from control.traffic.exchange import Exchange
from control.traffic.replay import ReplayResult, replay
from control.web.components import components
from control.web.csrf import refuse_cross_site
from control.web.json_errors import register_error_handlers

requests_api = Blueprint("requests_api", __name__, url_prefix="/process")
register_error_handlers(requests_api)


@requests_api.get("/requests")
def list_requests() -> Response:
    """Of all projects, or of the one that the parameter `notebook` names."""
    exchanges = find_exchanges(request.args.get("notebook", "").strip())
    summaries = [exchange.summary() for exchange in exchanges]
    return jsonify({"kept": components().deployment.settings.inspect, "requests": summaries})


@requests_api.get("/requests/<exchange_id>")
def get_request(exchange_id: str) -> Response:
    return jsonify(as_json(find_exchange(exchange_id)))


@requests_api.post("/requests/<exchange_id>/replay")
def replay_request(exchange_id: str) -> Response:
    refuse_cross_site(request)
    result = replay_exchange(find_exchange(exchange_id))
    return jsonify({"before": as_json(result.before), "after": as_json(result.after), "left_out": result.left_out})


@requests_api.get("/metrics")
def metrics() -> Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(components().metrics.registry), content_type=content_type)


def find_exchanges(project: str) -> list[Exchange]:
    """All, or those of a project, newest first. Raises UnknownProject where there is neither the project nor any."""
    history = components().history
    exchanges = history.latest(project)
    if project and not exchanges:
        exchanges = history.latest(components().deployment.known_name(project))
    return exchanges


def find_exchange(exchange_id: str) -> Exchange:
    """Raises UnknownRequest."""
    exchange = components().history.find(exchange_id)
    if exchange is None:
        raise UnknownRequest("This request is no longer stored: only the last 200 are, and none across a restart.")
    return exchange


def replay_exchange(exchange: Exchange) -> ReplayResult:
    """Raises ReplayError."""
    run, history = components().deployment.run, components().history
    return replay(exchange, run, history, request_timeout(exchange.project))


def request_timeout(project: str | None) -> float:
    """How long to wait for the response of a project's API, by default of the default one, in seconds."""
    deployment = components().deployment
    api = deployment.find_api(project)
    limit = api.slots.request_timeout(api.slots.link.serving_slot()) if api else deployment.settings.request_timeout
    return limit + EXTRA_TIMEOUT


def as_json(exchange: Exchange) -> dict[str, Any]:
    parts = {name: asdict(getattr(exchange, name)) for name in ("request", "response", "stderr", "traceback")}
    return {**exchange.summary(), **parts}
