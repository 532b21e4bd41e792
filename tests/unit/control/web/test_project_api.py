"""New projects over HTTP: their names, what is never overwritten, what is left behind when one fails."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control.config.settings import Settings
from control.web.app import create_app


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "server.ipynb").write_text("mine")
    (folder / "team" / "prices").mkdir(parents=True)
    (folder / "team" / "prices" / "server.ipynb").write_text("prices")
    return folder


@pytest.fixture
def app(notebooks: Path, tmp_path: Path) -> Flask:
    template = tmp_path / "shipped" / "hello"
    template.mkdir(parents=True)
    (template / "server.ipynb").write_text("hello")
    (template / "server.ipynb").chmod(0o400)
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    settings = Settings.from_env({"NOTEBOOK_DIR": str(notebooks), "SHIPPED_DIR": str(template.parent)})
    return create_app(replace(settings, run_dir=run_dir), resume=False)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def a_zip(text: str = "uploaded") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("anything/server.ipynb", text)
    return target.getvalue()


def upload(client: FlaskClient, filename: str = "new.zip", data: bytes | None = None, **more: Any) -> TestResponse:
    file = (io.BytesIO(a_zip() if data is None else data), filename)
    return client.post("/process/upload", data={"archive": file, **more.pop("fields", {})}, **more)


def list_hidden_files(notebooks: Path) -> list[str]:
    return [path.name for path in notebooks.iterdir() if path.name.startswith(".")]


def test_a_project_is_downloaded_and_uploaded_under_another_name(client: FlaskClient, notebooks: Path) -> None:
    download = client.get("/process/download?notebook=team/prices")
    assert download.mimetype == "application/zip"
    assert download.headers["Content-Disposition"] == "attachment; filename*=UTF-8''prices.zip"

    response = upload(client, "prices.zip", download.data)

    assert (response.status_code, response.json) == (
        201,
        {"message": "The project prices was created.", "notebook": "prices"},
    )
    assert (notebooks / "prices" / "server.ipynb").read_text() == "prices"
    assert list_hidden_files(notebooks) == []


def test_a_download_of_no_project_is_rejected(client: FlaskClient) -> None:
    assert client.get("/process/download").status_code == 400
    for name in ("nothing", "../shipped/hello", "/etc", "team"):
        assert client.get("/process/download", query_string={"notebook": name}).status_code == 404


def test_a_name_in_the_form_counts_and_may_have_folders(client: FlaskClient, notebooks: Path) -> None:
    assert upload(client, fields={"name": "team/new one"}).status_code == 201
    assert (notebooks / "team" / "new one" / "server.ipynb").read_text() == "uploaded"


@pytest.mark.parametrize("filename", ["mine.zip", "MINE.ZIP"])
def test_what_is_there_is_never_overwritten(client: FlaskClient, notebooks: Path, filename: str) -> None:
    (notebooks / "MINE").symlink_to("nowhere")

    response = upload(client, filename)

    assert response.status_code == 409
    assert "already" in response.json["message"]
    assert (notebooks / "mine" / "server.ipynb").read_text() == "mine"
    assert client.post("/process/new", data={"template": "hello", "name": "team"}).status_code == 409


@pytest.mark.parametrize(
    "name",
    [
        ".hidden",
        "a/../b",
        "/etc/x",
        "a//b",
        "a/",
        "..",
        "node_modules",
        "a\nb",
        "a\0b",
        "x" * 300,
        "ü" * 128,
        "a/" * 3000 + "a",
        "mine/server.ipynb/x",
    ],
)
def test_a_name_that_no_project_can_have_is_rejected(client: FlaskClient, notebooks: Path, name: str) -> None:
    before = sorted(notebooks.rglob("*"))

    assert client.post("/process/new", data={"template": "hello", "name": name}).status_code == 400
    assert upload(client, fields={"name": name}).status_code == 400
    assert sorted(notebooks.rglob("*")) == before


def test_no_project_is_made_through_a_symlink(client: FlaskClient, notebooks: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (notebooks / "way").symlink_to(tmp_path / "elsewhere")

    response = client.post("/process/new", data={"template": "hello", "name": "way/out"})

    assert response.status_code == 400
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_archive_that_is_rejected_leaves_nothing_behind(client: FlaskClient, notebooks: Path) -> None:
    before = sorted(notebooks.rglob("*"))

    response = upload(client, data=b"no zip")

    assert response.status_code == 400
    assert "no zip archive" in response.json["message"]
    assert sorted(notebooks.rglob("*")) == before


def test_an_upload_without_a_file_says_what_is_missing(client: FlaskClient) -> None:
    for data in ({}, {"archive": "text"}, {"archive": (io.BytesIO(b""), "")}):
        response = client.post("/process/upload", data=data)
        assert response.status_code == 400
        assert "archive" in response.json["message"]


def test_a_new_project_is_a_copy_that_can_be_written_to(client: FlaskClient, notebooks: Path) -> None:
    response = client.post("/process/new?template=hello&name=my_api")

    assert response.status_code == 201
    notebook = notebooks / "my_api" / "server.ipynb"
    assert notebook.read_text() == "hello"
    assert notebook.stat().st_mode & 0o200


@pytest.mark.parametrize("template", ["", "mine", "../notebooks/mine"])
def test_an_unknown_template_is_rejected(client: FlaskClient, template: str) -> None:
    response = client.post("/process/new", data={"template": template, "name": "x"})

    assert response.status_code == 404
    assert "The templates are: hello." in response.json["message"]


def test_a_folder_that_cannot_be_written_to_is_reported(
    client: FlaskClient, notebooks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("control.projects.create.copy_writable", refuse)

    response = client.post("/process/new", data={"template": "hello", "name": "x"})

    assert response.status_code == 500
    assert "Permission denied" in response.json["message"]


@pytest.mark.parametrize("address", ["/process/upload", "/process/new", "/"])
def test_requests_of_another_site_are_rejected(client: FlaskClient, notebooks: Path, address: str) -> None:
    data = {"do": "new", "template": "hello", "name": "x", "archive": (io.BytesIO(a_zip()), "x.zip")}

    response = client.post(address, data=data, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert not (notebooks / "x").exists()


def test_a_change_by_visiting_an_address_is_not_possible(client: FlaskClient) -> None:
    for address in ("/process/upload", "/process/new?template=hello&name=x"):
        assert client.get(address).status_code == 405


def test_the_homepage_offers_a_free_name_and_goes_back_to_itself_with_the_new_project(
    client: FlaskClient, notebooks: Path
) -> None:
    (notebooks / "my_api").mkdir()
    page = client.get("/").text
    assert 'value="my_api_2"' in page
    assert "<option>hello</option>" in page
    assert 'href="/process/download?notebook=team/prices"' in page.replace("%2F", "/")

    redirect = client.post("/", data={"do": "new", "template": "hello", "name": "my_api_2"})

    assert (redirect.status_code, redirect.location) == (303, "/?notebook=my_api_2")
    assert "<option selected>my_api_2</option>" in client.get(redirect.location).text
    response = client.post("/", data={"do": "upload", "archive": (io.BytesIO(a_zip()), "mine.zip")})
    assert response.status_code == 409
    assert "There is something named mine already." in response.text
