"""The `/process/…` API: parse, call, answer in JSON."""

from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from control.config.errors import ApiError, NotebookFailure
from control.deployment.deployment import Deployment, Status
from control.logs.follow import Followers
from control.logs.reader import LogReader
from control.logs.tail import last_lines
from control.projects import catalog
from control.supervision.client import SupervisorError
from control.web.csrf import refuse_cross_site

MAX_LINES = 10_000

process = Blueprint("process", __name__, url_prefix="/process")


def api() -> Deployment:
    """The application's Api."""
    found: Deployment = current_app.extensions["api"]
    return found


def wanted_project() -> str | None:
    """The project that the request names: `notebook`, or `seed` as older clients call it."""
    return next((v for n in ("notebook", "seed") if (v := request.values.get(n, "").strip())), None)


@process.route("/start", methods=["GET", "POST"])
def start() -> Response:
    refuse_cross_site(request)
    name = wanted_project()
    if name is None:
        abort(400, "Name a project: start?notebook=<project>.")
    return changed(api().start(name))


@process.route("/restart", methods=["GET", "POST"])
def restart() -> Response:
    refuse_cross_site(request)
    return changed(api().restart(wanted_project()))


@process.route("/stop", methods=["GET", "POST"])
def stop() -> Response:
    refuse_cross_site(request)
    return changed(api().stop())


@process.route("/reload", methods=["GET", "POST"])
def reload() -> Response:
    refuse_cross_site(request)
    wanted = request.values.get("on", "")
    if wanted not in {"0", "1"}:
        abort(400, f"on is {wanted!r}: give reload?on=1 to restart the API at each save, or reload?on=0.")
    api().reload.set(wanted == "1")
    message = "A save restarts the API." if wanted == "1" else "A save restarts nothing."
    return jsonify({"message": message, "reload": wanted == "1"})


def changed(status: Status) -> Response:
    """The answer to a change that was made."""
    message = f"{status.notebook} is being served." if status.state == "serving" else "The API is stopped."
    answer = {"message": message, "state": status.state, "notebook": status.notebook}
    return jsonify({**answer, "endpoints": status.endpoints})


@process.get("/status")
def status() -> Response:
    return jsonify(api().status().as_json())


@process.get("/endpoints")
def endpoints() -> Response:
    now = api().status()
    return jsonify({"notebook": now.notebook, "endpoints": now.endpoints})


@process.get("/notebooks")
def notebooks() -> Response:
    return jsonify({"notebooks": [project.name for project in all_projects()]})


@process.get("/list_notebooks")
def list_notebooks() -> Response:
    """The shape that existing clients know."""
    names = [f"{project.name}/{catalog.NOTEBOOK}" for project in all_projects()]
    return jsonify({"files": {name: name for name in names}})


@process.get("/get_current_nb")
def get_current_nb() -> Response:
    """The shape that existing clients know."""
    now = api().status()
    served = f"{now.notebook}/{catalog.NOTEBOOK}" if now.slot else "None"
    return jsonify({"message": served})


@process.get("/logs")
def logs() -> Response:
    text, log = request.args.get("lines", "200"), api().run.api_log
    if not text.isascii() or not text.isdigit() or int(text) > MAX_LINES:
        abort(400, f"lines is {text!r}: give a whole number from 0 to {MAX_LINES}.")
    wanted = request.args.get("follow", "0")
    if wanted not in {"0", "1"}:
        abort(400, f"follow is {wanted!r}: give 1 to follow the log, or 0.")
    return follow(int(text)) if wanted == "1" else Response(last_lines(log, int(text)), mimetype="text/plain")


def follow(lines: int) -> Response:
    """The log from its last lines on, or from where the reader was before (`after`), as server-sent events."""
    after = request.headers.get("Last-Event-ID") or request.args.get("after")
    followers: Followers = current_app.extensions["log_followers"]
    return followers.response(LogReader(api().run.api_log, lines, after), request.environ.get("gunicorn.socket"))


def all_projects() -> list[catalog.Project]:
    return catalog.find_all(api().settings.notebook_dir)


@process.errorhandler(ApiError)
def api_error(error: ApiError) -> tuple[Response, int]:
    body: dict[str, Any] = {"message": str(error)}
    if isinstance(error, NotebookFailure):
        body["error"] = error.error
    return jsonify(body), error.status


@process.errorhandler(SupervisorError)
def supervisor_error(error: SupervisorError) -> tuple[Response, int]:
    return jsonify({"message": f"{error} Try again in a few seconds."}), 503


@process.errorhandler(HTTPException)
def http_error(error: HTTPException) -> ResponseReturnValue:
    """As JSON, unless the error brings a page of its own."""
    return error.response or (jsonify({"message": error.description}), error.code or 500)
