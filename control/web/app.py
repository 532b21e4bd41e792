"""The Flask application: wires the settings, the deployment, the pages and `/process` together."""

import threading

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from control.config.settings import Settings
from control.deployment import unix_http
from control.deployment.deployment import Deployment
from control.deployment.watcher import Watcher
from control.projects.create import ProjectCreator
from control.supervision.client import SupervisorError
from control.traffic.counters import Counters
from control.traffic.intake import Intake
from control.traffic.metrics import Metrics
from control.web import static_files
from control.web.components import KEY, Components
from control.web.docs_page import docs_page
from control.web.homepage import homepage
from control.web.json_errors import routing_error
from control.web.process_api import process
from control.web.project_api import project_api
from control.web.requests_api import requests_api
from control.web.requests_page import requests_page

HEALTH_TIMEOUT = 2  # seconds


def create_app(settings: Settings | None = None, *, resume: bool = True) -> Flask:
    """The control app; with `resume`, it starts what should be served in the background, and watches it."""
    app = Flask(__name__)
    deployment, counters = Deployment(settings or Settings.from_env()), Counters()
    components = Components(deployment, Metrics(deployment, counters), ProjectCreator(deployment.settings))
    app.extensions[KEY] = components
    for blueprint in (process, project_api, requests_api, requests_page, homepage, docs_page):
        app.register_blueprint(blueprint)
    app.add_url_rule("/healthz", view_func=lambda: healthz(deployment))
    app.register_error_handler(HTTPException, routing_error)
    app.after_request(set_security_headers)
    static_files.init_app(app)
    if resume:
        Intake(components.history, counters, inspect=deployment.settings.inspect).start(deployment.run)
        threading.Thread(target=Watcher(deployment).run, name="watcher", daemon=True).start()
    return app


def healthz(deployment: Deployment) -> tuple[Response, int]:
    """200 when Jupyter responds, else 503; that nginx and the control app are up shows in the response itself.

    With `?full`, 503 also while the API is down that should be served. It needs no password, so it reveals neither what
    is served nor why it is down.
    """
    try:
        response = unix_http.send(deployment.run.jupyter_socket, "GET", "/jupyter/api", timeout=HEALTH_TIMEOUT)
        is_healthy = response.status == 200
    except unix_http.ERRORS:
        is_healthy = False
    health: dict[str, object] = {"status": "ok" if is_healthy else "starting"}
    if "full" in request.args:
        health |= api_health(deployment)
        if is_healthy and health["api"] not in ("serving", "stopped"):
            is_healthy, health["status"] = False, health["api"]
    return jsonify(health), 200 if is_healthy else 503


def api_health(deployment: Deployment) -> dict[str, object]:
    """`api` is the state of the API, of several that of one which is not served; `retry` as in its status."""
    try:
        served = deployment.serving.apis
        statuses = [deployment.status(), *(each for each in deployment.statuses() if each.notebook in served)]
    except SupervisorError:
        return {"api": "unknown", "retry": None}
    status = next((each for each in statuses if each.state not in ("serving", "stopped")), statuses[0])
    retry = {name: value for name, value in (status.retry or {}).items() if name != "notebook"}
    return {"api": status.state, "retry": retry or None}


def set_security_headers(response: Response) -> Response:
    """Keep our pages from being framed, sniffed, cached, or made to load anything foreign."""
    response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not response.cache_control:  # pages with requests may hold secrets of callers
        response.headers["Cache-Control"] = "no-store"
    return response
