"""The homepage without a stack: what it shows, what it refuses, and that it calls nothing markup."""

import html
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from control.config.errors import NotebookFailure, ProjectConflict
from control.config.run_dir import RunDir, write_json
from control.config.settings import Settings
from control.deployment.deployment import Deployment
from control.deployment.state import Serving
from control.deployment.status import Status
from control.projects import catalog
from control.supervision.client import SupervisorError
from control.traffic import manual_request
from control.traffic.api_client import NoResponse
from control.traffic.manual_request import ManualRequest
from control.web.app import create_app
from control.web.components import KEY, Components
from control.web.endpoint import Endpoint
from tests.support.notebooks import DEEP

LONG = "b/deep 50% off? " + "ü" * 30  # as long as the name of a link can be
EVIL = "<img src=x onerror=alert(1)>'\"&"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;&#39;&#34;&amp;"
FAILURE = {
    "message": f"{EVIL} does not run",
    "notebook": EVIL,
    "cell": 2,
    "line": 1,
    "name": "ValueError",
    "value": EVIL,
    "traceback": f"Traceback (most recent call last)\nValueError: {EVIL}",
    "source": f"raise ValueError({EVIL})",
}


def status(**changes: Any) -> Status:
    values = {
        "state": "serving",
        "notebook": "hello_world",
        "address": "/apis/hello_world",
        "is_default": True,
        "since": "2026-01-02T03:04:05+00:00",
        "slot": "blue",
        "endpoints": [{"method": "GET", "path": "/hello_world"}],
        "problems": [],
        "kernels": 1,
        "kernel_deaths": 0,
        "busy": None,
        "last_error": None,
        "reload": False,
        "retry": None,
    }
    return Status(**{**values, **changes})


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    for project in ("hello_world", "b/deep"):
        (tmp_path / "notebooks" / project).mkdir(parents=True)
        (tmp_path / "notebooks" / project / "server.ipynb").write_text('{"cells": []}')
    run_dir = tmp_path / "r"
    run_dir.mkdir()
    (run_dir / "htpasswd-api").write_text("hasura:{SSHA}abc\n")
    # The run directory is put in afterwards: pytest's paths are longer than a socket's may be.
    settings = Settings.from_env({"NOTEBOOK_DIR": str(tmp_path / "notebooks")})
    return create_app(replace(settings, run_dir=run_dir), resume=False)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def api_of(app: Flask) -> Deployment:
    components: Components = app.extensions[KEY]
    return components.deployment


def fake(app: Flask, monkeypatch: pytest.MonkeyPatch, **calls: object) -> None:
    """Let the Deployment's functions return these values, or raise them."""
    for name, outcome in calls.items():

        def response(*_: object, outcome: object = outcome) -> object:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(api_of(app), name, response)


def serve(app: Flask, monkeypatch: pytest.MonkeyPatch, *statuses: Status) -> None:
    """Let these be all APIs."""
    names = sorted((each for each in statuses), key=lambda each: not each.is_default)
    api_of(app).routes.file.content = replace(
        Serving.of([str(each.notebook) for each in names]),
        default=next((each.notebook for each in names if each.is_default), None),
    )
    fake(app, monkeypatch, statuses=list(statuses), status=AssertionError())


def store_error(app: Flask, error: dict[str, Any]) -> None:
    """Let the last start of a project have failed."""
    api = api_of(app).api(error["notebook"])
    api.dir.path.mkdir(parents=True, exist_ok=True)
    write_json(api.dir.last_error, error)


def write_log(app: Flask, text: str, name: str | None = None) -> None:
    log = api_of(app).find_log(name)
    log.parent.mkdir(parents=True)
    log.write_text(text)


def test_the_page_offers_every_project_and_chooses_hello_world(client: FlaskClient) -> None:
    page = client.get("/").text
    assert re.findall(r"<option( selected)?>([^<]+)</option>", page)[:2] == [
        ("", "b/deep"),
        (" selected", "hello_world"),
    ]


def test_the_page_says_which_projects_cannot_be_saved(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be saved" not in client.get("/").text
    monkeypatch.setattr(catalog.Project, "is_read_only", property(lambda project: project.name == "b/deep"))
    api_of(client.application).listing.invalidate()

    assert "b/deep cannot be saved" in client.get("/").text


def test_a_notebook_that_is_text_is_opened_as_what_it_is(app: Flask, client: FlaskClient) -> None:
    folder = api_of(app).settings.notebook_dir / "text"
    folder.mkdir()
    (folder / "server.py").write_text("# GET /x")
    error = {**FAILURE, "notebook": "text", "line": 2, "file_line": 17}
    store_error(app, error)
    page = client.get("/").text

    assert 'href="/jupyter/notebooks/text/server.py"' in page
    assert "text does not run: it failed in cell 2, line 2 (line 17 of server.py)." in page
    assert "Open text/server.py" in page


def test_the_page_says_which_of_two_notebooks_counts(app: Flask, client: FlaskClient) -> None:
    text = api_of(app).settings.notebook_dir / "b/deep" / "server.py"
    sentence = "b/deep: <code>server.ipynb</code> is served, not the <code>server.py</code> beside it."
    assert sentence not in client.get("/").text
    text.write_text("# GET /x")
    api_of(app).listing.invalidate()

    assert sentence in client.get("/").text


def test_the_project_that_was_stopped_stays_chosen(app: Flask, client: FlaskClient) -> None:
    api_of(app).routes.file.store(Serving.of(["b/deep"]).remove("b/deep"))
    assert "<option selected>b/deep</option>" in client.get("/").text


DEEP_API = {"notebook": "b/deep", "address": "/apis/b.deep", "is_default": False}


def test_the_page_is_that_of_the_project_in_its_address(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = status(**DEEP_API, endpoints=[{"method": "GET", "path": "/deep"}], last_error={**FAILURE, "cell": 7})
    serve(app, monkeypatch, deep, status())
    page = client.get("/?notebook=b/deep").text
    assert "<title>b/deep: serving" in page
    assert "<option selected>b/deep</option>" in page
    assert "curl -u hasura:PASSWORD http://localhost/apis/b.deep/deep<" in page
    assert "Path after /apis/b.deep<" in page
    assert "it failed in cell 7" in page
    assert 'data-address="/process/logs?follow=1&amp;notebook=b%2Fdeep"' in page
    assert 'hx-get="/?notebook=b%2Fdeep"' in page
    assert 'hx-get="/requests?rows=6&amp;notebook=b%2Fdeep"' in page
    assert 'href="/docs?notebook=b%2Fdeep"' in page
    of_default = client.get("/").text
    assert "<option selected>hello_world</option>" in of_default
    assert "curl -u hasura:PASSWORD http://localhost/invoke/hello_world<" in of_default
    assert "it failed" not in of_default, "nor is what concerns another project"
    assert 'href="/docs"' in of_default


def test_all_apis_are_listed_with_their_addresses(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = status(notebook='a "shop" & <b>', address='/apis/a "shop" & <b>', is_default=False)
    down = status(notebook="broken", state="failed", is_default=False)
    serve(app, monkeypatch, shop, down, status())
    page = client.get("/").text.partition('id="apis"')[2].partition("</section>")[0]
    texts = [html.unescape(" ".join(re.sub(r"<[^>]*>", " ", row).split())) for row in page.split("<li")[1:]]
    address = "http://localhost/apis/a%20%22shop%22%20%26%20%3Cb%3E"
    assert re.search(rf'Serving a "shop" & <b> {address} Copy .* Make default the API of a "shop" & <b>$', texts[0])
    assert texts[1].endswith("Failed broken")
    assert re.search("Serving hello_world http://localhost/apis/hello_world Copy .* Default: /invoke Stop", texts[2])
    assert 'href="/?notebook=a+%22shop%22+%26+%3Cb%3E"' in page


def test_one_api_alone_is_listed_only_where_the_page_is_another_projects_or_it_is_no_default(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status())
    fake(app, monkeypatch, status=Status(notebook="b/deep"))
    assert "the address of" not in client.get("/").text
    assert "the address of hello_world" in client.get("/?notebook=b/deep").text
    serve(app, monkeypatch, status(**DEEP_API))
    page = client.get("/?notebook=b/deep").text
    assert "Make default" in page
    assert "Stop all" not in page


def test_a_project_beside_others_is_started_where_the_page_says(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status())
    fake(app, monkeypatch, status=Status(notebook="b/deep"))
    page = client.get("/?notebook=b/deep").text
    assert "Once started, it answers at <code>/apis/b.deep</code>. <code>/invoke</code> stays with hello_world" in page
    assert re.search(r'value="restart"[^>]* aria-disabled', page)
    assert not re.search(r'value="start"[^>]* aria-disabled', page)
    serve(app, monkeypatch, status(is_default=False))
    fake(app, monkeypatch, status=Status(notebook="b/deep"))
    page = client.get("/?notebook=b/deep").text
    assert "Once started, it is the default API, which answers at <code>/invoke</code>." in page
    assert "Path after /invoke<" in page


def test_a_project_that_is_gone_is_shown_as_such_and_not_remembered(app: Flask, client: FlaskClient) -> None:
    for _ in range(2):
        response = client.get("/", query_string={"notebook": "<b>nowhere"})
        assert response.status_code == 404
        assert "There is no project of this name." in response.text
        assert "&lt;b&gt;nowhere (missing)</option>" in response.text
        buttons = re.findall(r'<button class="button[^>]*form="(?:change|shown)"[^>]*>', response.text)
        assert [button for button in buttons if "aria-disabled" not in button] == []
        assert len(buttons) == 3
    assert client.get("/process/status?notebook=<b>nowhere").status_code == 404


def test_the_buttons_act_on_the_project_that_the_page_shows(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status(**DEEP_API))
    calls: list[tuple[object, ...]] = []
    for name in ("start", "restart", "stop", "stop_all", "set_default", "set_reload"):
        monkeypatch.setattr(api_of(app), name, lambda *given, name=name: calls.append((name, *given)))
    for do in ("start", "restart", "stop", "stop-all", "default", "reload-on", "reload-off"):
        response = client.post("/", data={"do": do, "notebook": "b/deep", "api": "hello_world"})
        assert (response.status_code, response.location) == (303, "/?notebook=b/deep")
    assert calls == [
        ("start", "b/deep"),
        ("restart", "b/deep"),
        ("stop", "b/deep"),
        ("stop_all",),
        ("set_default", "hello_world"),
        ("set_reload", True, "b/deep"),
        ("set_reload", False, "b/deep"),
    ]


@pytest.mark.parametrize("do", ["restart", "add-package", "renew-environment"])
def test_a_project_that_is_not_served_is_started_and_takes_no_address_from_another(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, do: str
) -> None:
    calls: list[str] = []
    fake(app, monkeypatch, restart=AssertionError("it would become the default"))
    monkeypatch.setattr(api_of(app), "start", calls.append)
    response = client.post("/", data={"do": do, "notebook": "b/deep", "package": "greeting"})
    assert (response.status_code, calls) == (303, ["b/deep"])


def test_the_failed_project_is_chosen_and_its_cell_is_shown_with_the_line_marked(
    app: Flask, client: FlaskClient
) -> None:
    store_error(app, {**FAILURE, "notebook": "b/deep", "source": "one\ntwo", "line": 2})
    page = client.get("/").text
    assert "<option selected>b/deep</option>" in page
    assert "b/deep does not run: it failed in cell 2, line 2." in page
    assert '<li class="culprit"><code>two</code></li>' in page


def test_a_missing_module_can_be_added_to_the_requirements(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {"notebook": "b/deep", "name": "ModuleNotFoundError", "value": "No module named 'greeting.words'"}
    store_error(app, {**FAILURE, **missing})
    assert 'name="package" value="greeting"' in client.get("/").text
    fake(app, monkeypatch, start=None)
    file = api_of(app).settings.notebook_dir / "b" / "deep" / "requirements.txt"

    for package in ("greeting", "greeting", " other>=2 "):
        response = client.post("/", data={"do": "add-package", "notebook": "b/deep", "package": package})
        assert response.status_code == 303

    assert file.read_text() == "greeting\nother>=2\n"


@pytest.mark.parametrize("package", ["", "--index-url=https://example.com", "# greeting", "a\nb"])
def test_what_is_no_package_is_not_added(app: Flask, client: FlaskClient, package: str) -> None:
    response = client.post("/", data={"do": "add-package", "notebook": "b/deep", "package": package})

    assert response.status_code == 400
    assert "names no package" in response.text
    assert not (api_of(app).settings.notebook_dir / "b" / "deep" / "requirements.txt").exists()


def test_other_errors_do_not_ask_for_a_package(app: Flask, client: FlaskClient) -> None:
    store_error(app, {**FAILURE, "notebook": "b/deep"})

    assert 'name="package"' not in client.get("/").text


def test_a_traceback_of_one_line_does_not_repeat_what_is_said_of_the_cell(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "'[' was never closed"
    one_line = {**FAILURE, "name": "SyntaxError", "value": value, "traceback": f"Cell 2, line 1: SyntaxError: {value}"}
    serve(app, monkeypatch, status(state="failed", last_error=one_line))
    assert "<summary>Traceback</summary>" not in client.get("/").text
    for says_less in ("", "exit status 2"):
        serve(app, monkeypatch, status(state="failed", last_error={**one_line, "value": says_less}))
        assert "<summary>Traceback</summary>" in client.get("/").text


def test_everything_that_notebooks_and_people_give_is_escaped(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (api_of(app).settings.notebook_dir / "<img src=x onerror=alert(1)>").mkdir()
    (api_of(app).settings.notebook_dir / "<img src=x onerror=alert(1)>" / "server.ipynb").touch()
    write_log(app, f"a log line {EVIL}\n", EVIL)
    (api_of(app).run.path / "htpasswd-api").write_text(f"{EVIL}:x\n")
    values = {
        "endpoints": [{"method": EVIL, "path": f"/{EVIL}/:{EVIL}"}],
        "problems": [{"cell": 1, "line": 1, "text": EVIL, "message": EVIL}],
        "last_error": FAILURE,
    }
    for state in ("serving", "starting", "failed", "stopped"):
        current = status(state=state, notebook=EVIL, busy=EVIL, **values)
        serve(app, monkeypatch, current)
        assert "<img" not in client.get("/", query_string={"method": EVIL, "path": EVIL}).text
        serve(app, monkeypatch, status(state=state, notebook=EVIL, **values))
        fake(app, monkeypatch, start=ProjectConflict(EVIL))
        page = client.post("/", data={"do": "start", "notebook": EVIL}).text
        assert "<img" not in page
        assert f"a log line {ESCAPED}" in page
        if state != "starting":
            assert f"ValueError: {ESCAPED}" in page.partition("Traceback (most recent call last)")[2]
            assert f"raise ValueError({ESCAPED})" in page


def test_a_response_is_escaped(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    response = manual_request.ManualResponse(200, EVIL, 1.0, 10, EVIL, EVIL)
    monkeypatch.setattr(manual_request, "send", lambda *_: response)
    page = client.post("/", data={"do": "test", "method": "POST", "path": EVIL, "body": f"</textarea>{EVIL}"}).text
    assert "<img" not in page
    assert page.count("</textarea>") == 1


@pytest.mark.parametrize("path", ["/", "/?path=/x&method=GET"])
def test_nothing_in_the_page_is_inline_or_from_elsewhere(client: FlaskClient, path: str) -> None:
    page = client.get(path).text
    assert re.findall(r"""<script(?![^>]*\ssrc="/static/)|<style|\sstyle=|\son\w+=|(?:src|href)="(?!/)""", page) == []


def test_the_curl_line_has_the_address_that_the_browser_sees(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status())
    assert "curl -u hasura:PASSWORD http://localhost/invoke/hello_world" in client.get("/").text
    headers = {"Host": "api.example:8443", "X-Forwarded-Proto": "https"}
    assert "https://api.example:8443/invoke/hello_world" in client.get("/", headers=headers).text


def test_the_curl_line_names_the_user_who_is_there_to_call_the_api(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (api_of(app).run.path / "htpasswd-api").write_text("hasura:x\nweb hook:y\n")
    serve(app, monkeypatch, status())
    assert "curl -u &#39;web hook:PASSWORD&#39; http" in client.get("/").text


def test_while_the_api_is_down_the_page_says_when_it_is_started_again_and_lets_a_person_end_that(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = {"notebook": "hello_world", "attempts": 3, "next": "2026-01-02T03:04:05+00:00"}
    serve(app, monkeypatch, status(state="failed", retry=retry))
    page = client.get("/").text
    assert re.search(r"hello_world is started again at <time [^>]*>03:04:05 UTC</time>, after 3 attempts", page)
    assert not re.search(r'value="stop"[^>]*aria-disabled', page)
    serve(app, monkeypatch, status(state="starting", retry=retry, busy="Starting shop.", last_error=FAILURE))
    assert "it failed in cell 2, line 1." in client.get("/").text, "it stays while somebody reads it"


def test_a_comment_that_only_looks_like_an_annotation_is_pointed_out(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {"cell": 3, "line": 2, "text": "# GET /late", "message": "It is not on the first line."}
    serve(app, monkeypatch, status(problems=[problem]))
    assert "Cell 3, line 2: It is not on the first line." in client.get("/").text


@pytest.mark.parametrize(
    ("method", "path", "line"),
    [
        ("GET", "/a/:b/c", "curl -u u:PASSWORD http://h/invoke/a/B/c"),
        ("POST", "/a", "curl -u u:PASSWORD -H 'Content-Type: application/json' -d '{}' http://h/invoke/a"),
        (
            "PUT",
            "/a",
            "curl -u u:PASSWORD -X PUT -H 'Content-Type: application/json' -d '{}' http://h/invoke/a",
        ),
        ("DELETE", "/a/:id", "curl -u u:PASSWORD -X DELETE http://h/invoke/a/ID"),
        ("GET", "/$(x)/a b", "curl -u u:PASSWORD 'http://h/invoke/$(x)/a b'"),
    ],
)
def test_a_curl_line_is_safe_to_paste(method: str, path: str, line: str) -> None:
    assert Endpoint.at("http://h/invoke", "u", {"method": method, "path": path}).curl == line


def test_a_curl_line_uploads_a_file_where_one_is_needed() -> None:
    example = {"path": "/files", "body": "", "form": {"file": "@FILE", "note": "a b"}}
    endpoint = Endpoint.at("http://h/invoke", "u", {"method": "POST", "path": "/files", "example": example})
    assert endpoint.curl == "curl -u u:PASSWORD -F file=@FILE -F 'note=a b' http://h/invoke/files"


def test_a_notebook_with_functions_has_a_line_that_adds_them_to_an_agent(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (api_of(app).run.path / "htpasswd-api").write_text("hasura:x\nweb hook:y\n")
    function = {"method": "GET", "path": "/add", "function": "add"}
    serve(app, monkeypatch, status(notebook="b/my shop", endpoints=[function]))

    page = client.get("/", headers={"Host": "api.example", "X-Forwarded-Proto": "https"}).text

    command = (
        "claude mcp add --transport http b_my_shop https://api.example/mcp --header "
        "\"Authorization: Basic $(printf %s 'web hook:PASSWORD' | base64 | tr -d '\\n')\""
    )
    assert f">{html.escape(command)}<".replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page


def test_a_notebook_without_functions_has_nothing_for_agents(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status())
    assert "/mcp" not in client.get("/").text


SUM = {"method": "POST", "path": "/sum/:kind", "example": {"path": "/sum/all?a=1", "body": '{"numbers": [3]}'}}


def test_an_endpoint_is_tested_with_the_notebooks_example(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status(endpoints=[SUM]))
    page = client.get("/").text
    assert '<input id="path" name="path" value="/sum/all?a=1"' in page
    assert "{&#34;numbers&#34;: [3]}</textarea>" in page
    link = re.search(r'href="([^"]+)#test"', page)
    assert link
    assert "{&#34;numbers&#34;: [3]}</textarea>" in client.get(html.unescape(link[1])).text
    assert "{}</textarea>" in client.get("/?method=POST&path=/another").text
    curl = (
        """curl -u u:PASSWORD -H 'Content-Type: application/json' -d '{"numbers": [3]}' 'http://h/invoke/sum/all?a=1'"""
    )
    assert Endpoint.at("http://h/invoke", "u", SUM).curl == curl


def test_a_reader_who_has_seen_this_version_gets_nothing_and_a_change_is_a_new_version(
    app: Flask, client: FlaskClient
) -> None:
    version = re.search(r'name="seen" value="(\w+)"', client.get("/").text)
    assert version
    again = client.get("/", query_string={"seen": version[1]})
    assert (again.status_code, again.data) == (204, b"")
    write_log(app, "one more line, which the page follows by itself\n")
    assert client.get("/", query_string={"seen": version[1]}).status_code == 204
    api_of(app).reload.set(True)
    assert client.get("/", query_string={"seen": version[1]}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}],
)
@pytest.mark.parametrize("do", ["start", "restart", "stop", "test"])
def test_an_action_that_another_site_sends_is_rejected(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], do: str
) -> None:
    fake(app, monkeypatch, start=AssertionError(), restart=AssertionError(), stop=AssertionError())
    response = client.post("/", data={"do": do, "notebook": "hello_world", "path": "/"}, headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize("do", ["start", "restart", "stop"])
def test_after_a_change_the_browser_is_sent_back_to_the_page(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, do: str
) -> None:
    serve(app, monkeypatch, status())
    fake(app, monkeypatch, **{do: status()})
    response = client.post("/", data={"do": do, "notebook": "hello_world"})
    assert (response.status_code, response.location) == (303, "/?notebook=hello_world")


def test_a_change_that_fails_is_a_page_with_the_message_the_choice_and_the_status_code(
    client: FlaskClient,
) -> None:
    response = client.post("/", data={"do": "start", "notebook": "nowhere"})
    assert response.status_code == 404
    assert "There is no project &#39;nowhere&#39;." in response.text


def test_a_notebook_failure_is_shown_once(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {**FAILURE, "message": "hello_world does not run.", "notebook": "hello_world"}
    fake(app, monkeypatch, start=NotebookFailure(str(error["message"]), error))
    serve(app, monkeypatch, status(state="failed", slot=None, last_error=error))
    response = client.post("/", data={"do": "start", "notebook": "hello_world"})
    assert response.status_code == 422
    assert '<div id="notice" class="notice" role="alert"></div>' in response.text
    assert "it failed in cell 2, line 1." in response.text


def test_without_supervisord_the_page_still_stands_and_says_so(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = SupervisorError("supervisord cannot be reached: no such file")
    fake(app, monkeypatch, statuses=down, start=down)
    response = client.get("/")
    assert response.status_code == 200
    assert "supervisord cannot be reached: no such file." in response.text
    assert client.post("/", data={"do": "start", "notebook": "hello_world"}).status_code == 503


def test_a_folder_without_projects_and_without_a_password_file_gives_a_page(app: Flask, client: FlaskClient) -> None:
    for project in ("hello_world", "b/deep"):
        (api_of(app).settings.notebook_dir / project / "server.ipynb").unlink()
    (api_of(app).run.path / "htpasswd-api").unlink()
    page = client.get("/").text
    assert "No projects" in page
    assert "a notebook named" in page


@pytest.mark.parametrize("data", [{}, {"do": "fly"}, {"do": "start"}, {"do": "test", "method": "TRACE", "path": "/"}])
def test_a_form_that_makes_no_sense_is_rejected(client: FlaskClient, data: dict[str, str]) -> None:
    assert client.post("/", data=data).status_code == 400


def test_hello_world_is_suggested_where_there_is_one() -> None:
    def rows(*endpoints: tuple[str, str]) -> list[dict[str, str]]:
        return [{"method": method, "path": path} for method, path in endpoints]

    assert ManualRequest.suggest(rows(("POST", "/a"), ("GET", "/b"), ("GET", "/hello_world"))).path == "/hello_world"
    assert ManualRequest.suggest(rows(("POST", "/hello_world"), ("GET", "/b"))) == ManualRequest("GET", "/b")
    assert ManualRequest.suggest(rows(("POST", "/a"))) == ManualRequest("POST", "/a", "{}")
    assert ManualRequest.suggest([]) == ManualRequest("GET", "/hello_world")


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was sent, or with what the path says."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = f"{self.path} {self.headers['Content-Type']} {self.headers['Host']} ".encode() + data
        if self.path == "/invoke/binary":
            body = b"\x89PNG\xff\x00"
        elif self.path == "/invoke/long":
            body = "é".encode() * manual_request.MAX_BODY
        elif self.path == "/invoke/vanish":
            return
        elif self.path == "/invoke/late":
            self.server.late.wait(30)  # type: ignore[attr-defined]
        self.send_response(418)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        if self.path == "/invoke/breaks":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"9\r\npart"
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a caller that has gone


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Callable[..., manual_request.ManualResponse]]:
    run = RunDir(tmp_path)
    run.api_links.mkdir()
    for link in (run.default_link, run.api_link(LONG)):
        link.symlink_to(tmp_path)
    with Server(str(tmp_path / "api.sock"), Handler) as server:
        server.late = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield lambda target, body="", timeout=10.0, project=None: manual_request.send(
            run, project, ManualRequest("POST", target, body), {"Host": "h:1"}, timeout
        )
        server.late.set()  # type: ignore[attr-defined]
        server.shutdown()


@pytest.mark.parametrize(
    ("target", "body", "echo"),
    [
        ("/a/ü b?c=d%2F&e", "{}", "/invoke/a/%C3%BC%20b?c=d%2F&e application/json h:1 {}"),
        ("a#b\r\nX: y", "grüße", "/invoke/a%23b%0D%0AX:%20y text/plain; charset=utf-8 h:1 grüße"),
        ("//elsewhere.example/", "", "/invoke/elsewhere.example/ None h:1 "),
    ],
)
def test_a_manual_request_is_sent_as_typed(
    call: Callable[..., manual_request.ManualResponse], target: str, body: str, echo: str
) -> None:
    response = call(target, body)
    assert (response.code, response.text, response.size) == (418, echo, len(echo.encode()))
    assert response.milliseconds > 0


def test_a_project_that_is_not_the_default_is_called_at_its_own_address(
    call: Callable[..., manual_request.ManualResponse],
) -> None:
    response = call("/a?b=%2F", project=LONG)
    assert response.text == f"/apis/{quote(LONG.replace('/', '.'))}/a?b=%2F None h:1 "
    with pytest.raises(NoResponse, match=r"^absent-x+ is not being served. Start it first.$"):
        call("/a", project="absent-" + "x" * 80)


def test_a_body_that_is_not_text_is_only_counted(call: Callable[..., manual_request.ManualResponse]) -> None:
    response = call("/binary")
    assert (response.text, response.size) == (None, 6)


def test_only_the_beginning_of_a_long_body_is_returned(call: Callable[..., manual_request.ManualResponse]) -> None:
    response = call("/long")
    assert response.is_cut
    assert response.size == 2 * manual_request.MAX_BODY
    assert response.text == "é" * (manual_request.MAX_BODY // 2)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/late", "No response arrived within 0.3 s"),
        ("/vanish", "closed the connection without a response"),
        ("/breaks", "The response broke off. The log of the API says why."),
    ],
)
def test_a_request_without_a_response_says_why(
    call: Callable[..., manual_request.ManualResponse], target: str, message: str
) -> None:
    with pytest.raises(NoResponse, match=message):
        call(target, timeout=0.3)


def test_a_body_that_nobody_can_parse_is_not_sent_and_the_page_says_why(client: FlaskClient) -> None:
    response = client.post("/", data={"do": "test", "method": "POST", "path": "/x", "body": DEEP})
    assert response.status_code == 200
    assert "The body is JSON that is nested too deeply to be read, so it was not sent." in response.text


def test_a_request_while_nothing_is_served_says_what_to_do(client: FlaskClient) -> None:
    response = client.post("/", data={"do": "test", "method": "GET", "path": "/hello_world"})
    assert response.status_code == 200
    assert "Nothing is being served. Start the API first." in response.text
    response = client.post("/", data={"do": "test", "method": "GET", "path": "/x", "notebook": "b/deep"})
    assert "b/deep is not being served. Start it first." in response.text
    response = client.post("/", data={"do": "test", "method": "GET", "path": "/x", "notebook": "../x"})
    assert "There is no project &#39;../x&#39;." in response.text
