"""The homepage: one address, displayed by GET, changed by POST.

Without JavaScript a form's response is the page. With it, htmx sends the same requests and replaces parts of the page
from the response, so there is one kind of response, and no part of the page has an address of its own.
"""

from collections.abc import Callable

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from control.config.errors import ApiError, UnknownProject
from control.environments import requirements
from control.projects import catalog
from control.supervision.client import SupervisorError
from control.traffic import manual_request
from control.traffic.api_client import NoResponse
from control.traffic.manual_request import ManualRequest
from control.web.components import components
from control.web.csrf import refuse_cross_site
from control.web.homepage_view import HomepageView
from control.web.project_api import create_from_template, create_from_upload
from control.web.requests_api import request_timeout
from control.web.requests_page import HOMEPAGE_ROWS, RequestList

homepage = Blueprint("homepage", __name__)


@homepage.get("/")
def index() -> ResponseReturnValue:
    """The page of the project `notebook`; 204 for a client that has `seen` this very version of it."""
    view = load_view()
    if request.args.get("seen") == view.version:
        return "", 204
    return render(view), 404 if view.is_unknown else 200


@homepage.post("/")
def act() -> ResponseReturnValue:
    """Do what the pressed button says (`do`)."""
    refuse_cross_site(request)
    deployment = components().deployment
    actions: dict[str, Callable[[], ResponseReturnValue]] = {
        "start": lambda: change(lambda: deployment.start(form_project())),
        "restart": lambda: change(lambda: start_again(form_project())),
        "stop": lambda: change(lambda: deployment.stop(form_project())),
        "stop-all": lambda: change(deployment.stop_all),
        "default": lambda: change(lambda: deployment.set_default(request.form.get("api", ""))),
        "reload-on": lambda: change(lambda: deployment.set_reload(True, form_project())),
        "reload-off": lambda: change(lambda: deployment.set_reload(False, form_project())),
        "add-package": lambda: change(add_package),
        "renew-environment": lambda: change(renew_environment),
        "test": test_api,
        "upload": lambda: change(create_from_upload),
        "new": lambda: change(create_from_template),
    }
    action = actions.get(request.form.get("do", "")) or abort(400, f"do is one of: {', '.join(actions)}.")
    return action()


def change(action: Callable[[], object]) -> ResponseReturnValue:
    """Run the action and redirect to the form's project, or to the new one that the action returns.

    If it fails, the page shows the error, with its status code.
    """
    try:
        result = action()
    except ApiError as error:
        return render(notice=str(error)), error.status
    except SupervisorError as error:
        return render(notice=f"{error}. Try again in a few seconds."), 503
    new_project = result if isinstance(result, str) else None
    if new_project:
        components().deployment.listing.invalidate()
    return redirect(url_for("homepage.index", notebook=new_project or shown_project()), 303)


def start_again(name: str) -> None:
    """Restart a project that should be served; start any other, as a restart would make it the default one."""
    deployment = components().deployment
    deployment.restart(name) if name in deployment.serving.apis else deployment.start(name)


def add_package() -> None:
    """Add the form's package to the project's requirements, and start the project again."""
    deployment = components().deployment
    project = catalog.find(deployment.settings.notebook_dir, form_project())
    requirements.add(project.notebook.parent, request.form.get("package", ""))
    start_again(project.name)


def renew_environment() -> None:
    """Make the project's environment anew, and start the project again."""
    deployment = components().deployment
    project = catalog.find(deployment.settings.notebook_dir, form_project())
    deployment.api(project.name).slots.environments.renew(project)
    start_again(project.name)


def test_api() -> ResponseReturnValue:
    """Send the form's request to its project's API, or to the default one, and show the response."""
    api_request = form_request()
    if api_request.method not in manual_request.METHODS:
        abort(400, f"method is one of: {', '.join(manual_request.METHODS)}.")
    headers = {"Host": request.host}
    if request_id := request.headers.get("X-Request-Id"):
        headers["X-Request-Id"] = request_id
    deployment = components().deployment
    try:
        project = deployment.known_name(name) if (name := shown_project()) else None
        timeout = request_timeout(project)
        if project == deployment.serving.default:
            project = None  # it is called at /invoke/
        response = manual_request.send(deployment.run, project, api_request, headers, timeout)
        return render(response=response, request_id=request_id)
    except (NoResponse, UnknownProject) as error:
        return render(response_error=str(error))


def render(view: HomepageView | None = None, **variables: object) -> str:
    """The page with the values that the person selected and typed."""
    view = view or load_view()
    last_error = view.status.last_error if view.status else None
    if last_error and variables.get("notice") == last_error.get("message"):
        del variables["notice"]  # the page shows it with its cell and its traceback
    project_creator = components().project_creator
    return render_template(
        "homepage.html",
        view=view,
        request_list=RequestList.load(HOMEPAGE_ROWS, project=view.project or ""),
        free_name=project_creator.suggest_name("my_api"),
        templates=project_creator.templates(),
        api_request=form_request(view),
        methods=manual_request.METHODS,
        **variables,
    )


def load_view() -> HomepageView:
    """With scheme and host as the browser sees them: nginx, or a proxy in front of it, terminates TLS."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    address = f"{'https' if scheme == 'https' else 'http'}://{request.host}"
    return HomepageView.load(components().deployment, address, shown_project())


def shown_project() -> str | None:
    """The project that the address names, or the form."""
    return request.values.get("notebook", "").strip() or None


def form_project() -> str:
    return shown_project() or abort(400, "Choose a project first.")


def form_request(view: HomepageView | None = None) -> ManualRequest:
    """The API request in the form, or in a link's query; what is missing is the view's suggestion."""
    default = view.suggested_request() if view else ManualRequest()
    values = request.values
    if "path" not in values:
        return default
    method, path = values.get("method", default.method), values["path"]
    body = values.get("body")
    return ManualRequest(method, path, view.suggested_body(method, path) if view and body is None else body or "")
