"""`/docs`: the served API's OpenAPI document in a viewer that can call the API."""

from flask import Blueprint, Response, current_app, make_response, render_template

from control.deployment.deployment import Deployment
from control.supervision.client import SupervisorError
from control.web.homepage_view import caller

docs_page = Blueprint("docs_page", __name__)

# As the homepage's, plus the icons that the viewer's style sheet holds in itself.
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"


@docs_page.get("/docs")
def show() -> Response:
    """The page; the browser fetches the document from the API itself, and calls it with its own login."""
    api: Deployment = current_app.extensions["api"]
    try:
        now, trouble = api.status(), None
    except SupervisorError as error:
        now, trouble = None, f"{error}. Try again in a few seconds."
    page = render_template("docs.html", status=now, trouble=trouble, user=caller(api.run))
    response = make_response(page)
    response.headers["Content-Security-Policy"] = POLICY
    return response
