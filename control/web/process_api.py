"""The `/process/…` API, except for projects and requests."""

from dataclasses import asdict
from functools import partial

from flask import Blueprint, Response, abort, jsonify, request

from control.deployment.deployment import Deployment
from control.deployment.status import Status
from control.logs.reader import LogReader
from control.logs.tail import last_lines
from control.projects import catalog
from control.web.components import components
from control.web.csrf import refuse_cross_site
from control.web.json_errors import register_error_handlers

MAX_LINES = 10_000

process = Blueprint("process", __name__, url_prefix="/process")
register_error_handlers(process)


def deployment() -> Deployment:
    return components().deployment


def switch(name: str, default: str, hint: str) -> bool:
    """The parameter, 0 or 1."""
    value = request.values.get(name, default)
    if value not in {"0", "1"}:
        abort(400, f"{name} is {value!r}: give {hint}.")
    return value == "1"


def requested_project() -> str | None:
    """The parameter `notebook`, or `seed` as older clients name it."""
    return next((v for n in ("notebook", "seed") if (v := request.values.get(n, "").strip())), None)


def known_project() -> str | None:
    """The project that is requested, if one is; raises UnknownProject."""
    name = requested_project()
    return deployment().known_name(name) if name else None


@process.route("/start", methods=["GET", "POST"])
def start() -> Response:
    refuse_cross_site(request)
    return describe_change(deployment().start(requested_project()))


@process.route("/restart", methods=["GET", "POST"])
def restart() -> Response:
    refuse_cross_site(request)
    return describe_change(deployment().restart(requested_project()))


@process.route("/stop", methods=["GET", "POST"])
def stop() -> Response:
    refuse_cross_site(request)
    if name := requested_project():
        return describe_change(deployment().stop(name))
    names = deployment().stop_all()
    message = f"The APIs are stopped: {', '.join(names)}." if len(names) > 1 else "The API is stopped."
    return jsonify(message=message, state="stopped", notebook=None, endpoints=[], stopped=names)


@process.post("/default")
def set_default() -> Response:
    refuse_cross_site(request)
    name = requested_project() or abort(400, "Name a project that is being served: default?notebook=<project>.")
    status = deployment().set_default(name)
    return jsonify(message=f"{status.notebook} answers at /invoke/.", notebook=status.notebook)


@process.route("/reload", methods=["GET", "POST"])
def reload() -> Response:
    """Of one API, or of all."""
    refuse_cross_site(request)
    is_on = switch("on", "", "reload?on=1 to restart the API at each save, or reload?on=0")
    name = requested_project()
    deployment().set_reload(is_on, name)
    subject, verb = (deployment().known_name(name), "restarts") if name else ("APIs", "restart")
    message = f"{subject} {'' if is_on else 'no longer '}{verb} at each save."
    return jsonify({"message": message, "reload": is_on})


def describe_change(status: Status) -> Response:
    """The response to a change, from the status after it."""
    is_served = status.state == "serving"
    message = f"{status.notebook} is being served." if is_served else f"{status.notebook} is stopped."
    return jsonify(message=message, state=status.state, notebook=status.notebook, endpoints=status.endpoints)


@process.get("/status")
def status() -> Response:
    """Of one API, by default the default one, and of all."""
    status = deployment().status(known_project())
    return jsonify({**asdict(status), "apis": [asdict(each) for each in deployment().statuses()]})


@process.get("/endpoints")
def endpoints() -> Response:
    status = deployment().status(known_project())
    return jsonify({"notebook": status.notebook, "endpoints": status.endpoints})


@process.get("/notebooks")
def notebooks() -> Response:
    return jsonify({"notebooks": [project.name for project in all_projects()]})


@process.get("/list_notebooks")
def list_notebooks() -> Response:
    """In the form that existing clients expect."""
    names = [f"{project.name}/{project.notebook.name}" for project in all_projects()]
    return jsonify({"files": {name: name for name in names}})


@process.get("/get_current_nb")
def get_current_nb() -> Response:
    """In the form that existing clients expect."""
    status = deployment().status()
    if not status.slot or not status.notebook:
        return jsonify({"message": "None"})
    folder = deployment().settings.notebook_dir / status.notebook
    file = catalog.notebook_in(folder) or folder / catalog.NOTEBOOKS[0]
    return jsonify({"message": f"{status.notebook}/{file.name}"})


@process.get("/logs")
def logs() -> Response:
    """Of one API, by default as Deployment.find_log."""
    lines = request.args.get("lines", "200")
    if not lines.isascii() or not lines.isdigit() or int(lines) > MAX_LINES:
        abort(400, f"lines is {lines!r}: give a whole number from 0 to {MAX_LINES}.")
    name = known_project()
    if switch("follow", "0", "1 to follow the log, or 0"):
        return follow(name, int(lines))
    return Response(last_lines(deployment().find_log(name), int(lines)), mimetype="text/plain")


def follow(name: str | None, lines: int) -> Response:
    """The log as server-sent events, from its last lines, or from the client's last position (`after`), on."""
    after = request.headers.get("Last-Event-ID") or request.args.get("after")
    reader = LogReader(partial(deployment().find_log, name), lines, after)
    return components().log_followers.response(reader, request.environ.get("gunicorn.socket"))


def all_projects() -> list[catalog.Project]:
    return catalog.find_all(deployment().settings.notebook_dir)
