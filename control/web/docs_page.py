"""`/docs`: the served API's OpenAPI document in a viewer that can call the API."""

from flask import Blueprint, Response, make_response, render_template

from control.supervision.client import SupervisorError
from control.web.components import components
from control.web.homepage_view import api_user

docs_page = Blueprint("docs_page", __name__)

# As the homepage's, plus the data: icons in the viewer's style sheet.
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"


@docs_page.get("/docs")
def show() -> Response:
    """The browser fetches the document from the API itself, and calls the API with its own login."""
    deployment = components().deployment
    try:
        status, error = deployment.status(), None
    except SupervisorError as exception:
        status, error = None, f"{exception}. Try again in a few seconds."
    page = render_template("docs.html", status=status, status_error=error, user=api_user(deployment.run))
    response = make_response(page)
    response.headers["Content-Security-Policy"] = POLICY
    return response
