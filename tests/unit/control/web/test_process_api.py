"""The `/process` API over a Deployment that does as the test says: codes and JSON shapes."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from control.config import errors
from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.deployment.status import Status
from control.logs.follow import Followers
from control.projects.catalog import find
from control.supervision.client import SupervisorError
from control.web.app import create_app
from control.web.components import KEY
from control.web.process_api import process

ENDPOINTS = [{"method": "GET", "path": "/hello"}]
SINCE = "2026-01-01T00:00:00+00:00"
FAILURE = {
    "cell": 2,
    "line": 1,
    "file_line": None,
    "source": "x",
    "name": "NameError",
    "value": "x",
    "traceback": "Traceback…",
}


def status_of(**values: Any) -> Status:
    """A status with what a test cares about; the rest is empty."""
    return Status(**values)


STOPPED = status_of(state="stopped")
SERVING = status_of(
    state="serving",
    notebook="shop",
    address="/apis/shop",
    is_default=True,
    since=SINCE,
    slot="blue",
    endpoints=ENDPOINTS,
)


class FakeApi:
    """Returns `result`, or raises it, and records the calls."""

    def __init__(self, folder: Path) -> None:
        self.result: Status | Exception = SERVING
        self.calls: list[tuple[Any, ...]] = []
        self.served: list[str] = []  # until all are stopped
        self.default = "a"
        self.settings = SimpleNamespace(notebook_dir=folder)
        self.run = RunDir(folder / "run")
        self.run.path.mkdir()

    def response(self, *call: Any) -> Status:
        self.calls.append(call)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def start(self, name: str | None) -> Status:
        return self.response("start", name)

    def restart(self, name: str | None) -> Status:
        return self.response("restart", name)

    def stop(self, name: str) -> Status:
        return self.response("stop", name)

    def stop_all(self) -> list[str]:
        self.response("stop")
        return self.served

    def set_default(self, name: str) -> Status:
        return self.response("default", name)

    def set_reload(self, on: bool, name: str | None) -> None:
        self.response("reload", on, name)

    def status(self, name: str | None = None) -> Status:
        return self.response("status", name)

    def statuses(self) -> list[Status]:
        return [self.response("statuses")]

    def find_log(self, name: str | None = None) -> Path:
        return self.run.api(name or self.default).log

    def write_log(self, name: str, text: str) -> None:
        log = self.find_log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, encoding="utf-8")

    def known_name(self, name: str) -> str:
        return name if name == "shop" else find(self.settings.notebook_dir, name).name


@pytest.fixture
def api(tmp_path: Path) -> FakeApi:
    for name in ("b/c", "a"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "server.ipynb").touch()
    return FakeApi(tmp_path)


@pytest.fixture
def client(api: FakeApi) -> FlaskClient:
    app = Flask(__name__)
    app.extensions[KEY] = SimpleNamespace(deployment=api, log_followers=Followers())
    app.register_blueprint(process)
    return app.test_client()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("address", "call"),
    [
        ("start?notebook=shop", ("start", "shop")),
        ("start?seed=shop/server.ipynb", ("start", "shop/server.ipynb")),
        ("start?notebook=%20shop%20", ("start", "shop")),
        ("start?notebook=&seed=shop", ("start", "shop")),
        ("start", ("start", None)),
        ("start?notebook=%20", ("start", None)),
        ("restart?notebook=shop", ("restart", "shop")),
        ("restart", ("restart", None)),
        ("stop", ("stop",)),
        ("stop?notebook=shop", ("stop", "shop")),
        ("reload?on=1", ("reload", True, None)),
        ("reload?on=0&notebook=shop", ("reload", False, "shop")),
    ],
)
def test_a_change_is_passed_on(
    client: FlaskClient, api: FakeApi, method: str, address: str, call: tuple[str, ...]
) -> None:
    response = client.open(f"/process/{address}", method=method)

    assert response.status_code == 200
    assert api.calls == [call]


def test_the_name_may_come_in_a_form(client: FlaskClient, api: FakeApi) -> None:
    client.post("/process/start", data={"notebook": "shop"})

    assert api.calls == [("start", "shop")]


def test_a_start_returns_the_endpoints(client: FlaskClient) -> None:
    assert client.post("/process/start?notebook=shop").json == {
        "message": "shop is being served.",
        "state": "serving",
        "notebook": "shop",
        "endpoints": ENDPOINTS,
    }


def test_the_default_is_changed_by_post_alone(client: FlaskClient, api: FakeApi) -> None:
    assert client.post("/process/default?notebook=shop").json == {
        "message": "shop answers at /invoke/.",
        "notebook": "shop",
    }
    assert api.calls == [("default", "shop")]
    assert client.get("/process/default?notebook=shop").status_code == 405
    address, foreign = "/process/default?notebook=shop", {"Sec-Fetch-Site": "cross-site"}
    assert client.post(address, headers=foreign).status_code == 403
    assert len(api.calls) == 1
    assert client.post("/process/default").status_code == 400


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ([], "The API is stopped."),
        (["shop"], "The API is stopped."),
        (["shop", "a"], "The APIs are stopped: shop, a."),
    ],
)
def test_a_stop_of_all_names_them(client: FlaskClient, api: FakeApi, served: list[str], message: str) -> None:
    api.served = served
    response = client.post("/process/stop").json
    assert response is not None
    assert (response["message"], response["stopped"]) == (message, served)


def test_a_stop_returns_the_state(client: FlaskClient, api: FakeApi) -> None:
    api.result = STOPPED

    response = client.post("/process/stop").json

    assert response is not None
    assert (response["state"], response["notebook"], response["endpoints"]) == ("stopped", None, [])
    assert response["message"] == "The API is stopped."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UnknownProject("no such project"), 404),
        (errors.ProjectConflict("another is served"), 409),
        (errors.NothingToRestart("nothing to restart"), 409),
        (errors.NoDefaultProject("name one"), 400),
        (errors.CancelledStart("stopped meanwhile"), 409),
        (errors.NotReady("not ready"), 504),
    ],
)
@pytest.mark.parametrize("call", ["start?notebook=shop", "restart?notebook=shop"])
def test_each_failure_has_its_code_and_says_its_reason(
    client: FlaskClient, api: FakeApi, call: str, error: Exception, code: int
) -> None:
    api.result = error

    response = client.post(f"/process/{call}")

    assert (response.status_code, response.json) == (code, {"message": str(error)})


def test_a_notebook_failure_is_returned_with_cell_line_and_traceback(client: FlaskClient, api: FakeApi) -> None:
    api.result = errors.NotebookFailure("shop does not run", FAILURE)

    response = client.post("/process/start?notebook=shop")

    assert response.status_code == 422
    assert response.json == {"message": "shop does not run", "error": FAILURE}


def test_a_supervisor_that_is_away_is_a_503_that_says_to_try_again(client: FlaskClient, api: FakeApi) -> None:
    api.result = SupervisorError("supervisord cannot be reached")

    for call in ("start?notebook=shop", "status", "get_current_nb", "endpoints"):
        response = client.get(f"/process/{call}")
        assert response.status_code == 503
        assert response.json is not None
        assert "Try again" in response.json["message"]


@pytest.mark.parametrize("call", ["start?notebook=shop", "restart", "stop", "stop?notebook=shop", "reload?on=1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_site_changes_nothing(client: FlaskClient, api: FakeApi, method: str, call: str) -> None:
    response = client.open(f"/process/{call}", method=method, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert response.json is not None
    assert response.json["message"]
    assert api.calls == []


def test_the_status_is_returned_in_full(client: FlaskClient) -> None:
    body = client.get("/process/status").json

    assert body is not None
    apis = body.pop("apis")
    assert set(body) == {field.name for field in fields(Status)}
    assert apis == [body]
    assert (body["state"], body["notebook"], body["since"]) == ("serving", "shop", SINCE)
    assert (body["slot"], body["endpoints"], body["last_error"]) == ("blue", ENDPOINTS, None)


def test_the_served_project_is_returned_in_both_forms(client: FlaskClient, api: FakeApi) -> None:
    assert client.get("/process/get_current_nb").json == {"message": "shop/server.ipynb"}
    assert client.get("/process/endpoints").json == {"notebook": "shop", "endpoints": ENDPOINTS}
    (api.settings.notebook_dir / "shop").mkdir()
    (api.settings.notebook_dir / "shop" / "server.py").touch()
    assert client.get("/process/get_current_nb").json == {"message": "shop/server.py"}
    api.result = STOPPED
    assert client.get("/process/get_current_nb").json == {"message": "None"}
    assert client.get("/process/endpoints").json == {"notebook": None, "endpoints": []}


def test_projects_are_listed_in_both_forms(client: FlaskClient, api: FakeApi) -> None:
    (api.settings.notebook_dir / "text").mkdir()
    (api.settings.notebook_dir / "text" / "server.py").touch()
    notebooks = ["a/server.ipynb", "b/c/server.ipynb", "text/server.py"]

    assert client.get("/process/notebooks").json == {"notebooks": ["a", "b/c", "text"]}
    assert client.get("/process/list_notebooks").json == {"files": {name: name for name in notebooks}}


def test_the_log_is_plain_text(client: FlaskClient, api: FakeApi) -> None:
    api.write_log("a", "".join(f"{number}\n" for number in range(500)))

    response = client.get("/process/logs?lines=2")

    assert (response.mimetype, response.text) == ("text/plain", "498\n499\n")
    assert len(client.get("/process/logs").text.splitlines()) == 200


def test_each_api_has_a_log_of_its_own(client: FlaskClient, api: FakeApi) -> None:
    api.write_log("b/c", "of c\n")

    for project in ("b/c", "b/c/server.ipynb"):
        response = client.get("/process/logs", query_string={"notebook": project})
        assert (response.mimetype, response.text) == ("text/plain", "of c\n")
    assert client.get("/process/logs?notebook=a").text == "", "it has printed nothing"
    assert client.get("/process/logs").text == "", "that is the default"
    api.default = "b/c"
    assert client.get("/process/logs").text == "of c\n"
    unknown = client.get("/process/logs?notebook=x")
    assert unknown.status_code == 404
    assert unknown.json
    assert "The projects are: a, b/c" in unknown.json["message"]


def test_the_log_of_one_api_is_followed(client: FlaskClient, api: FakeApi) -> None:
    with ExitStack() as pages:

        def follow(query: str) -> Iterator[bytes]:
            page = client.get(f"/process/logs?follow=1&{query}")
            return pages.enter_context(closing(page)).iter_encoded()

        coming = follow("notebook=a")
        assert next(coming) == b":\n\n", "it has printed nothing"
        api.write_log("a", "one\ntwo\n")
        position, lines = next(coming).decode().split("\n", maxsplit=1)
        assert lines == "data: one\ndata: two\n\n"
        after = position.removeprefix("id: ")

        api.write_log("a", "one\ntwo\nthree\n")

        assert next(follow(f"notebook=a&after={after}")).endswith(b"\ndata: three\n\n")
        assert next(follow(f"notebook=b/c&after={after}")) == b":\n\n", "that position is in another log"


def test_who_follows_the_default_apis_log_follows_the_next_default_too(client: FlaskClient, api: FakeApi) -> None:
    api.write_log("a", "one\ntwo\n")
    api.write_log("b/c", "1\n2\n")
    with closing(client.get("/process/logs?follow=1&lines=1")) as page:
        coming = page.iter_encoded()
        assert next(coming).endswith(b"\ndata: two\n\n")

        api.default = "b/c"

        assert next(coming).endswith(b"\ndata: 2\n\n"), "it begins there as a new follower does"


@pytest.mark.parametrize("lines", ["x", "-1", "1.5", "", "10001", "²", "1" * 100])
def test_a_bad_number_of_lines_is_rejected(client: FlaskClient, lines: str) -> None:
    response = client.get("/process/logs", query_string={"lines": lines})

    assert response.status_code == 400
    assert response.json is not None
    assert repr(lines) in response.json["message"]


def test_an_unknown_path_and_a_wrong_method_change_nothing(client: FlaskClient, api: FakeApi) -> None:
    assert client.get("/process/nothing").status_code == 404
    assert client.delete("/process/stop").status_code == 405
    assert client.post("/process/status").status_code == 405
    assert api.calls == []


def test_an_unknown_path_and_a_wrong_method_are_errors_in_json_too(tmp_path: Path) -> None:
    settings = Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)})
    client = create_app(replace(settings, run_dir=tmp_path), resume=False).test_client()

    assert client.get("/process/nothing").json == {"message": "There is no GET /process/nothing."}
    wrong = client.get("/process/default?notebook=shop")
    assert (wrong.status_code, wrong.json) == (405, {"message": "There is no GET /process/default. Use POST."})
    assert "POST" in wrong.headers["Allow"]
    assert client.get("/nothing").mimetype == "text/html"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("on=1", "APIs restart at each save."),
        ("on=0", "APIs no longer restart at each save."),
        ("on=1&notebook=shop", "shop restarts at each save."),
        ("on=0&notebook=shop", "shop no longer restarts at each save."),
    ],
)
def test_the_switch_says_which_apis_it_is_for(client: FlaskClient, query: str, message: str) -> None:
    response = client.post(f"/process/reload?{query}").json
    assert response is not None
    assert response["message"] == message
