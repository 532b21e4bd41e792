"""The Flask application: wires the settings, the deployment, the pages and `/process` together."""

import threading

from flask import Flask, Response, jsonify

from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.deployment import unix_http
from control.deployment.deployment import Deployment
from control.deployment.reloader import Reloader
from control.projects.create import ProjectCreator
from control.traffic.counters import Counters
from control.traffic.intake import Intake
from control.traffic.metrics import Metrics
from control.web import static_files
from control.web.components import KEY, Components
from control.web.docs_page import docs_page
from control.web.homepage import homepage
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
    app.add_url_rule("/healthz", view_func=lambda: healthz(deployment.run))
    app.after_request(set_security_headers)
    static_files.init_app(app)
    if resume:
        Intake(components.history, counters, inspect=deployment.settings.inspect).start(deployment.run)
        threading.Thread(target=resume_and_watch, args=(deployment,), name="resume", daemon=True).start()
    return app


def resume_and_watch(deployment: Deployment) -> None:
    try:
        deployment.resume()
    finally:
        Reloader(deployment).run()


def healthz(run: RunDir) -> tuple[Response, int]:
    """200 when Jupyter responds, else 503; that nginx and the control app are up shows in the response itself.

    It needs no password, so it reveals nothing of what is served.
    """
    try:
        is_healthy = unix_http.send(run.jupyter_socket, "GET", "/jupyter/api", timeout=HEALTH_TIMEOUT).status == 200
    except unix_http.ERRORS:
        is_healthy = False
    return jsonify({"status": "ok" if is_healthy else "starting"}), 200 if is_healthy else 503


def set_security_headers(response: Response) -> Response:
    """Keep our pages from being framed, sniffed, cached, or made to load anything foreign."""
    response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not response.cache_control:  # pages with requests may hold secrets of callers
        response.headers["Cache-Control"] = "no-store"
    return response
