"""`/docs`: an API's OpenAPI document in a viewer that can call the API."""

from flask import Blueprint, Response, make_response, render_template, request

from control.config.errors import UnknownProject
from control.deployment.deployment import Deployment
from control.deployment.status import Status
from control.supervision.client import SupervisorError
from control.web.components import components
from control.web.endpoint import api_path
from control.web.homepage_view import api_user

docs_page = Blueprint("docs_page", __name__)

# As the homepage's, plus the data: icons in the viewer's style sheet.
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"


@docs_page.get("/docs")
def show() -> Response:
    """Of the project `notebook`, by default of the default API.

    The browser fetches the document from the API itself, and calls the API with its own login.
    """
    deployment = components().deployment
    status, apis, error, code = None, [], None, 200
    try:
        apis = [api for api in deployment.statuses() if api.state == "serving"]
        status = find_status(deployment, apis, request.args.get("notebook", "").strip())
    except SupervisorError as exception:
        error = f"{exception}. Try again in a few seconds."
    except UnknownProject as exception:
        error, code = str(exception), exception.status
    path = api_path(status.notebook or "", is_default=status.is_default) if status else ""
    values = {"status": status, "apis": apis, "error": error, "code": code, "path": path}
    response = make_response(render_template("docs.html", **values, user=api_user(deployment.run)), code)
    response.headers["Content-Security-Policy"] = POLICY
    return response


def find_status(deployment: Deployment, apis: list[Status], name: str) -> Status:
    """One of the served `apis`, else why it is not served; raises UnknownProject, SupervisorError."""
    for api in apis:
        if api.notebook == name or (not name and api.is_default):
            return api
    return deployment.status(deployment.known_name(name) if name else None)
