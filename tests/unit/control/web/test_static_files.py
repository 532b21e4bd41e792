"""Static files: a versioned address has one content, which browsers may cache forever."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from control.config.settings import Settings
from control.web.app import create_app
from control.web.static_files import init_app


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    settings = Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)})
    return create_app(replace(settings, run_dir=tmp_path), resume=False)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_static_files_that_a_page_links_are_cached_forever(client: FlaskClient) -> None:
    addresses = re.findall(r'"(/static/[^"]+)"', client.get("/").text)
    assert len(addresses) >= 4
    for address in addresses:
        with client.get(address) as response:
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable", address


def test_an_address_without_a_version_is_asked_for_each_time(client: FlaskClient) -> None:
    with client.get("/static/homepage.css") as response:
        assert response.headers["Cache-Control"] == "no-cache"
    with client.get("/static/homepage.css", headers={"If-None-Match": response.headers["ETag"]}) as again:
        assert again.status_code == 304


def test_a_page_is_never_cached(client: FlaskClient) -> None:
    assert client.get("/?v=1").headers["Cache-Control"] == "no-store"
    assert client.get("/static/none.css?v=1").headers["Cache-Control"] == "no-store"


def test_a_file_that_changes_gets_another_address_and_none_when_it_is_only_touched(tmp_path: Path) -> None:
    app = Flask("made", static_folder=str(tmp_path))
    init_app(app)
    file = tmp_path / "a.css"
    addresses = []
    for text in ("one", "one", "two"):
        file.unlink(missing_ok=True)
        file.write_text(text)
        with app.test_request_context():
            addresses.append(render_template_string("{{ static_url('a.css') }}"))
    assert addresses[0] == addresses[1] != addresses[2]
