"""The Flask application: wires settings, the API's life, the homepage and `/process` together."""

import http.client
import threading
from typing import Any

from flask import Flask, Response, jsonify

from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.deployment import gateway_client
from control.deployment.deployment import Deployment
from control.deployment.reloader import Reloader
from control.logs.follow import Followers
from control.projects.create import ProjectCreator
from control.traffic.batch_server import BatchServer
from control.traffic.counters import Counters
from control.traffic.datagrams import ALL, Datagrams
from control.traffic.history import History
from control.traffic.login_limit import LoginLimit
from control.traffic.metrics import Metrics
from control.traffic.nginx_rejections import MOST as MOST_REFUSALS
from control.traffic.nginx_rejections import NginxRejections
from control.web.docs_page import docs_page
from control.web.homepage import homepage
from control.web.process_api import process
from control.web.project_api import project_api
from control.web.requests_api import requests_api
from control.web.requests_page import requests_page
from control.web.static_files import keep_for_good


def create_app(settings: Settings | None = None, *, resume: bool = True) -> Flask:
    """The control app; with `resume`, it brings up what should be served in the background, and watches it."""
    app = Flask(__name__)
    api = Deployment(settings or Settings.from_env())
    app.extensions["api"] = api
    app.extensions["new_projects"] = ProjectCreator(api.settings)
    app.extensions["log_followers"] = Followers()
    app.extensions["inspector"] = inspector = History()
    totals = Counters()
    app.extensions["metrics"] = Metrics(api, totals)
    app.register_blueprint(process)
    app.register_blueprint(project_api)
    app.register_blueprint(requests_api)
    app.register_blueprint(requests_page)
    app.register_blueprint(homepage)
    app.register_blueprint(docs_page)
    app.add_url_rule("/healthz", view_func=lambda: healthz(api.run))
    app.after_request(harden)
    keep_for_good(app)
    if resume:
        BatchServer(api.run.records_socket, lambda batch: take(batch, inspector, totals)).begin()
        kept = inspector if api.settings.inspect else None
        listen_to_nginx(api.run, NginxRejections(lambda record: take_refusal(record, kept, totals)))
        threading.Thread(target=resume_and_watch, args=(api,), name="resume", daemon=True).start()
    return app


def take(batch: dict[str, Any], inspector: History, totals: Counters) -> None:
    """Keep what a kernel or a gateway tells of requests."""
    totals.add(batch)
    inspector.add(batch["records"])


def take_refusal(record: dict[str, Any], inspector: History | None, totals: Counters) -> None:
    """Count a call that nginx refused, and keep it where calls are kept."""
    totals.add_rejection(record["method"], record["status"])
    if inspector:
        inspector.add([record])


def listen_to_nginx(run: RunDir, refusals: NginxRejections) -> None:
    """Hear of the calls that it refuses, and of all wrong passwords: one in a flood must not be missed."""
    limit = LoginLimit(run.limited_callers)
    Datagrams(run.rejections_socket, refusals.refused, refusals.tick, MOST_REFUSALS).begin()
    Datagrams(run.failed_logins_socket, limit.failed, limit.tick, ALL).begin()


def resume_and_watch(api: Deployment) -> None:
    """What happens without a request."""
    try:
        api.resume()
    finally:
        Reloader(api).run()


def healthz(run: RunDir) -> tuple[Response, int]:
    """200 when Jupyter answers too, else 503; that this runs says that nginx and the control app do.

    It asks for no password, so it says nothing of what is served.
    """
    try:
        code, _ = gateway_client.get(run.jupyter_socket, "/jupyter/api")
    except (OSError, http.client.HTTPException):
        code = 503
    healthy = code == 200
    return jsonify({"status": "ok" if healthy else "starting"}), 200 if healthy else 503


def harden(response: Response) -> Response:
    """Headers that keep a page of ours from being framed, sniffed, or made to load anything foreign."""
    response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not response.cache_control:
        response.headers["Cache-Control"] = "no-store"
    return response
