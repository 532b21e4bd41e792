"""`/process/…` for whole projects: take one away as a zip, bring one in, make one from a template."""

import re
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, jsonify, request, stream_with_context

from control.config.errors import ApiError
from control.deployment.deployment import Deployment
from control.projects import archive, catalog
from control.projects.create import ProjectCreator
from control.web.csrf import refuse_cross_site
from control.web.process_api import api_error, http_error

project_api = Blueprint("project_api", __name__, url_prefix="/process")
project_api.register_error_handler(ApiError, api_error)
project_api.register_error_handler(400, http_error)
project_api.register_error_handler(403, http_error)
project_api.register_error_handler(413, http_error)


@project_api.get("/download")
def download() -> Response:
    api: Deployment = current_app.extensions["api"]
    name = request.args.get("notebook", "").strip() or abort(400, "Name a project: download?notebook=<project>.")
    folder = catalog.find(api.settings.notebook_dir, name).notebook.parent
    response = Response(stream_with_context(archive.pack(folder)), mimetype="application/zip")
    # RFC 6266: a name in UTF-8, for a project may have any.
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(folder.name)}.zip"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would keep a large one in temporary files
    return response


@project_api.post("/upload")
def upload() -> tuple[Response, int]:
    refuse_cross_site(request)
    return made(uploaded_project())


@project_api.post("/new")
def new() -> tuple[Response, int]:
    refuse_cross_site(request)
    return made(project_from_template())


def made(name: str) -> tuple[Response, int]:
    return jsonify({"message": f"The project {name} is there.", "notebook": name}), 201


def uploaded_project() -> str:
    """Unpack the form's file `archive` as the project `name`, else as its file's name says; returns the name."""
    file = request.files.get("archive")
    if file is None or not file.filename:
        abort(400, "Choose a zip file first: the form's field is named archive.")
    name = request.form.get("name", "").strip() or re.sub(r"\.zip$", "", file.filename, flags=re.IGNORECASE)
    return new_projects().create_from_zip(file.stream, name)  # type: ignore[arg-type]  # IO[bytes] is a BinaryIO


def project_from_template() -> str:
    """Copy the form's `template` as the project `name`; returns the name."""
    name = request.values.get("name", "").strip() or abort(400, "Give the new project a name.")
    return new_projects().create_from_template(request.values.get("template", ""), name)


def new_projects() -> ProjectCreator:
    """The application's ProjectCreator."""
    found: ProjectCreator = current_app.extensions["new_projects"]
    return found
