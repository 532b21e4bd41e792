"""Projects as zips through nginx: taken away, brought in, served."""

import io
import zipfile

import pytest

from tests.support.notebooks import notebook_text
from tests.support.stack import API_USER, Stack


def a_zip(cell: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("server.ipynb", notebook_text([cell]))
    return target.getvalue()


def test_a_project_that_was_taken_away_and_brought_in_again_is_served(stack: Stack) -> None:
    stack.write("journey_of_a_zip", ["from pathlib import Path", "# GET /data\nprint(Path('data.bin').stat().st_size)"])
    (stack.notebook_dir / "journey_of_a_zip" / "data.bin").write_bytes(bytes(5_000_000))
    download = stack.get("/process/download?notebook=journey_of_a_zip")
    assert zipfile.ZipFile(io.BytesIO(download.content)).testzip() is None

    answer = stack.post("/process/upload", files={"archive": ("again.zip", download.content)}, data={"name": "again"})

    assert answer.status_code == 201, answer.text
    assert stack.restart_api("again").status_code == 200
    assert stack.invoke("data").text.strip() == "5000000"


def test_a_new_project_from_the_shipped_template_is_served(stack: Stack) -> None:
    answer = stack.post("/process/new", data={"template": "hello_world", "name": "greetings"})

    assert answer.status_code == 201, answer.text
    assert stack.restart_api("greetings").status_code == 200
    assert stack.invoke("hello_world").text.strip() == '{"hello": "world"}'


def test_two_uploads_of_one_name_leave_one_project(stack: Stack) -> None:
    first, second = (
        stack.post("/process/upload", files={"archive": ("one_name.zip", a_zip(f"# GET /x\nprint({number})"))})
        for number in (1, 2)
    )

    assert (first.status_code, second.status_code) == (201, 409)
    assert stack.restart_api("one_name").status_code == 200
    assert stack.invoke("x").text.strip() == "1"


@pytest.mark.parametrize("path", ["/process/upload", "/process/new"])
def test_the_api_user_may_make_no_project(stack: Stack, path: str) -> None:
    assert stack.post(path, auth=API_USER, data={"template": "hello_world", "name": "no"}).status_code == 401


def test_an_upload_beyond_the_limit_is_told_with_the_settings_name(stack: Stack) -> None:
    answer = stack.post("/process/upload", files={"archive": ("large.zip", bytes(101 * 1024 * 1024))})

    assert answer.status_code == 413
    assert "MAX_BODY_MB" in answer.json()["message"]
