"""The homepage: one address, shown on GET, acted upon on POST.

Without JavaScript a form's answer is the page. With it, htmx sends the same requests and puts the parts of
the answer that it wants in place, so there is one kind of answer and no part of a page has its own address.
"""

from collections.abc import Callable

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from control.config.errors import ApiError
from control.deployment.deployment import Deployment
from control.supervision.client import SupervisorError
from control.traffic import manual_request
from control.traffic.api_client import NoResponse
from control.traffic.manual_request import ManualRequest
from control.web.csrf import refuse_cross_site
from control.web.homepage_view import HomepageView
from control.web.project_api import new_projects, project_from_template, uploaded_project
from control.web.requests_page import ON_THE_HOMEPAGE, RequestList

homepage = Blueprint("homepage", __name__)


@homepage.get("/")
def index() -> ResponseReturnValue:
    """The page; 204 for a reader who has `seen` this very version of it."""
    page = HomepageView.now(api(), address())
    if request.args.get("seen") == page.version:
        return "", 204
    return show(page)


@homepage.post("/")
def act() -> ResponseReturnValue:
    """Do what the pressed button says (`do`)."""
    refuse_cross_site(request)
    actions: dict[str, Callable[[], ResponseReturnValue]] = {
        "start": lambda: change(lambda: api().start(chosen_project())),
        "restart": lambda: change(lambda: api().restart(chosen_project())),
        "stop": lambda: change(api().stop),
        "reload-on": lambda: change(lambda: api().reload.set(True)),
        "reload-off": lambda: change(lambda: api().reload.set(False)),
        "test": test,
        "upload": lambda: create(uploaded_project),
        "new": lambda: create(project_from_template),
    }
    action = actions.get(request.form.get("do", ""))
    if action is None:
        abort(400, f"do is one of: {', '.join(actions)}.")
    return action()


def change(make: Callable[[], object]) -> ResponseReturnValue:
    """Make a change, then back to the page; one that fails is told on the page, with its status code."""
    try:
        make()
    except ApiError as error:
        return show(notice=str(error)), error.status
    except SupervisorError as error:
        return show(notice=f"{error}. Try again in a few seconds."), 503
    return redirect(url_for("homepage.index"), 303)


def create(make: Callable[[], str]) -> ResponseReturnValue:
    """Make a project, then back to the page with it chosen; what fails is told on the page."""
    try:
        name = make()
    except ApiError as error:
        return show(notice=str(error)), error.status
    api().listing.invalidate()
    return redirect(url_for("homepage.index", notebook=name), 303)


def test() -> ResponseReturnValue:
    """Call the API and show what it answers."""
    wanted = wanted_trial(ManualRequest())
    if wanted.method not in manual_request.METHODS:
        abort(400, f"method is one of: {', '.join(manual_request.METHODS)}.")
    headers = {"Host": request.host}
    request_id = request.headers.get("X-Request-Id")
    if request_id:
        headers["X-Request-Id"] = request_id
    try:
        timeout = api().settings.request_timeout + 5  # longer than the API itself
        answer = manual_request.call(api().run.api_socket, wanted, headers, timeout)
        return show(answer=answer, request_id=request_id)
    except NoResponse as error:
        return show(no_answer=str(error))


def show(page: HomepageView | None = None, **names: object) -> str:
    """Render the page; what the person chose and typed stays as it was."""
    page = page or HomepageView.now(api(), address())
    known = page.status.last_error if page.status else None
    if known and names.get("notice") == known.get("message"):
        del names["notice"]  # told with its cell and its traceback
    return render_template(
        "homepage.html",
        page=page,
        listed=RequestList.now(ON_THE_HOMEPAGE),
        project=request.values.get("notebook") or page.project,
        free_name=new_projects().suggest_name("my_api"),
        templates=new_projects().templates(),
        trial=wanted_trial(page.suggested_trial()),
        methods=manual_request.METHODS,
        **names,
    )


def api() -> Deployment:
    """The application's Api."""
    found: Deployment = current_app.extensions["api"]
    return found


def address() -> str:
    """Scheme and host as the browser sees them; nginx, or a proxy in front of it, ends TLS."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    return f"{'https' if scheme == 'https' else 'http'}://{request.host}"


def chosen_project() -> str:
    """The project in the form."""
    return request.form.get("notebook", "").strip() or abort(400, "Choose a project first.")


def wanted_trial(default: ManualRequest) -> ManualRequest:
    """What the form, or a link to it, says is to be called."""
    values = request.values
    if "path" not in values:
        return default
    method = values.get("method", default.method)
    return ManualRequest(method, values["path"], values.get("body", manual_request.BODIES.get(method, "")))
