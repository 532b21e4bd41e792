"""`/docs` without a stack: what it says when, and that all of it is our own."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from control.config.settings import Settings
from control.deployment.status import Status
from control.supervision.client import SupervisorError
from control.web.app import create_app
from control.web.components import KEY
from tests.unit.control.web.test_homepage import DEEP_API, EVIL, fake, serve, status

STATIC = Path("control/web/static")
VIEWER = next(STATIC.glob("swagger-ui-*"))


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    (tmp_path / "htpasswd-api").write_text("hasura:x\nweb hook:y\n")
    settings = Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)})
    return create_app(replace(settings, run_dir=tmp_path), resume=False)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_while_a_notebook_is_served_the_viewer_gets_its_document(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status())
    page = client.get("/docs").text
    assert 'data-document="/invoke/_api/spec/openapi.json"' in page
    assert 'data-user="web hook"' in page
    assert "<title>hello_world: documentation" in page


def test_each_api_has_its_documentation_which_leads_to_the_others(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = status(notebook="my shop", is_default=False)
    serve(app, monkeypatch, status(**DEEP_API), status(), shop)
    page = client.get("/docs?notebook=my shop").text
    assert 'data-document="/apis/my%20shop/_api/spec/openapi.json"' in page
    assert "<title>my shop: documentation" in page
    assert 'href="/?notebook=my+shop"' in page
    links = re.findall(r'<a href="(/docs[^"]*)"( aria-current="page")?>([^<]+)</a>', page)
    assert links == [
        ("/docs?notebook=b%2Fdeep", "", "b/deep"),
        ("/docs", "", "hello_world"),
        ("/docs?notebook=my+shop", ' aria-current="page"', "my shop"),
    ]
    assert 'data-document="/invoke/_api/spec/openapi.json"' in client.get("/docs?notebook=hello_world").text
    serve(app, monkeypatch, status())
    assert "<nav" not in client.get("/docs").text, "there is no other"


def test_without_a_default_api_it_leads_to_those_that_are_served(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status(**DEEP_API))
    fake(app, monkeypatch, status=Status())
    page = client.get("/docs").text
    assert "There is no default API" in page
    assert 'href="/docs?notebook=b%2Fdeep"' in page


def test_a_project_that_is_not_served_or_not_there_is_told_as_such(app: Flask, client: FlaskClient) -> None:
    folder = app.extensions[KEY].deployment.settings.notebook_dir / "idle"
    folder.mkdir()
    (folder / "server.ipynb").write_text("{}")
    assert "idle is not served" in client.get("/docs?notebook=idle").text
    response = client.get("/docs?notebook=nowhere")
    assert response.status_code == 404
    assert "There is no project &#39;nowhere&#39;." in response.text


@pytest.mark.parametrize("state", ["stopped", "failed", "starting"])
def test_while_nothing_is_served_it_says_how_to_start(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    serve(app, monkeypatch, status(state=state))
    fake(app, monkeypatch, status=status(state=state))
    page = client.get("/docs").text
    assert "Nothing is served" in page
    assert "Start API" in page
    assert '<a href="/">' in page
    assert "<script" not in page


def test_it_says_that_the_state_is_unknown(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(app, monkeypatch, statuses=SupervisorError("supervisord does not answer"))
    response = client.get("/docs")
    assert response.status_code == 200
    assert "supervisord does not answer. Try again" in response.text


@pytest.mark.parametrize("state", ["serving", "stopped"])
def test_nothing_in_it_is_inline_or_from_elsewhere(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    serve(app, monkeypatch, status(state=state))
    fake(app, monkeypatch, status=status(state=state))
    response = client.get("/docs")
    result = r"""<script(?![^>]*\ssrc="/static/)|<style|\sstyle=|\son\w+=|(?:src|href)="(?!/)"""
    assert re.findall(result, response.text) == []
    policy = response.headers["Content-Security-Policy"]
    assert policy == "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"


def test_names_are_escaped(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in ("serving", "starting"):
        evil = status(state=state, notebook=EVIL, busy=EVIL)
        serve(app, monkeypatch, evil, status(is_default=False))
        fake(app, monkeypatch, status=evil, known_name=EVIL)
        for query in ({}, {"notebook": EVIL}):
            page = client.get("/docs", query_string=query).text
            assert "<img" not in page
            assert "&lt;img" in page or not (query or state == "serving")


def test_every_file_that_the_page_names_is_there(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app, monkeypatch, status())
    addresses = re.findall(r'"(/static/[^"?]+)[?"]', client.get("/docs").text)
    addresses += [f"/static/{name}" for name in re.findall(r'@import "([^"]+)"', (STATIC / "docs.css").read_text())]
    assert [name for name in addresses if not (Path("control/web") / name.lstrip("/")).is_file()] == []
    assert sum(VIEWER.name in name for name in addresses) == 2


def test_the_viewer_is_the_version_that_its_folder_names_and_its_licence_is_beside_it() -> None:
    version = VIEWER.name.removeprefix("swagger-ui-")
    assert f'PACKAGE_VERSION:"{version}"' in (VIEWER / "swagger-ui-bundle.js").read_text()
    assert "Apache License" in (VIEWER / "LICENSE").read_text()
    assert "SmartBear" in (VIEWER / "NOTICE").read_text()
    assert (VIEWER / "swagger-ui-bundle.js.LICENSE.txt").is_file()  # of the libraries in it


def test_no_style_of_the_viewer_is_loaded_from_elsewhere() -> None:
    addresses = re.findall(r"url\(\s*[\"']?([^\"')]{0,20})", (VIEWER / "swagger-ui.css").read_text())
    assert addresses
    assert [name for name in addresses if not name.startswith("data:")] == []
