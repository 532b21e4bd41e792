"""`/process/…` for projects: download one as a zip, upload one, create one from a template."""

import re
from urllib.parse import quote

from flask import Blueprint, Response, abort, jsonify, request, stream_with_context

from control.projects import archive, catalog
from control.web.components import components
from control.web.csrf import refuse_cross_site
from control.web.json_errors import register_error_handlers

project_api = Blueprint("project_api", __name__, url_prefix="/process")
register_error_handlers(project_api)


@project_api.get("/download")
def download() -> Response:
    name = request.args.get("notebook", "").strip() or abort(400, "Name a project: download?notebook=<project>.")
    folder = catalog.find(components().deployment.settings.notebook_dir, name).notebook.parent
    response = Response(stream_with_context(archive.pack(folder)), mimetype="application/zip")
    # RFC 6266: in UTF-8, as a project may have any name.
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(folder.name)}.zip"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would store a large one in temporary files
    return response


@project_api.post("/upload")
def upload() -> tuple[Response, int]:
    refuse_cross_site(request)
    return describe_project(create_from_upload())


@project_api.post("/new")
def new() -> tuple[Response, int]:
    refuse_cross_site(request)
    return describe_project(create_from_template())


def describe_project(name: str) -> tuple[Response, int]:
    return jsonify({"message": f"The project {name} was created.", "notebook": name}), 201


def create_from_upload() -> str:
    """Unpack the form's file `archive` as the project `name`, by default the file's name; returns the name."""
    file = request.files.get("archive")
    if file is None or not file.filename:
        abort(400, "Choose a zip file first: the form's field is named archive.")
    name = request.form.get("name", "").strip() or re.sub(r"\.zip$", "", file.filename, flags=re.IGNORECASE)
    # IO[bytes] is a BinaryIO
    return components().project_creator.create_from_zip(file.stream, name)  # type: ignore[arg-type]


def create_from_template() -> str:
    """Copy the form's `template` as the project `name`; returns the name."""
    name = request.values.get("name", "").strip() or abort(400, "Give the new project a name.")
    return components().project_creator.create_from_template(request.values.get("template", ""), name)
