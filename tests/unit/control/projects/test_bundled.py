"""The shipped projects: copied once, and from then on the user's own."""

from pathlib import Path

import pytest

from control.projects.bundled import RECORD, copy_new


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    for name in ("etl", "hello_world"):
        write(folder / name / "server.ipynb", f"shipped {name}")
    return folder


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def remove(project: Path) -> None:
    for path in project.iterdir():
        path.unlink()
    project.rmdir()


def test_the_first_start_copies_all_projects(shipped: Path, notebooks: Path) -> None:
    write(shipped / "etl" / "data" / "rows.csv", "a,b")

    assert copy_new(shipped, notebooks) == ["etl", "hello_world"]

    assert (notebooks / "hello_world" / "server.ipynb").read_text() == "shipped hello_world"
    assert (notebooks / "etl" / "data" / "rows.csv").read_text() == "a,b"


def test_a_later_start_copies_nothing(shipped: Path, notebooks: Path) -> None:
    copy_new(shipped, notebooks)

    assert copy_new(shipped, notebooks) == []


def test_what_a_user_changed_stays(shipped: Path, notebooks: Path) -> None:
    copy_new(shipped, notebooks)
    write(notebooks / "etl" / "server.ipynb", "changed")
    write(shipped / "etl" / "server.ipynb", "a newer image's")

    copy_new(shipped, notebooks)

    assert (notebooks / "etl" / "server.ipynb").read_text() == "changed"


def test_what_a_user_deleted_stays_deleted(shipped: Path, notebooks: Path) -> None:
    copy_new(shipped, notebooks)
    remove(notebooks / "etl")

    assert copy_new(shipped, notebooks) == []
    assert not (notebooks / "etl").exists()


def test_what_a_user_renamed_does_not_come_back(shipped: Path, notebooks: Path) -> None:
    copy_new(shipped, notebooks)
    (notebooks / "etl").rename(notebooks / "mine")

    assert copy_new(shipped, notebooks) == []


def test_a_newer_image_adds_a_new_project(shipped: Path, notebooks: Path) -> None:
    copy_new(shipped, notebooks)
    remove(notebooks / "etl")
    write(shipped / "search" / "server.ipynb", "new")

    assert copy_new(shipped, notebooks) == ["search"]
    assert sorted(path.name for path in notebooks.glob("[!.]*")) == ["hello_world", "search"]


def test_an_older_image_forgets_nothing_that_a_newer_one_shipped(shipped: Path, notebooks: Path) -> None:
    write(shipped / "search" / "server.ipynb", "new")
    copy_new(shipped, notebooks)
    remove(notebooks / "search")
    (shipped / "search").rename(shipped.parent / "kept")
    copy_new(shipped, notebooks)
    (shipped.parent / "kept").rename(shipped / "search")

    assert copy_new(shipped, notebooks) == []


def test_a_users_own_project_of_the_same_name_is_left_alone(shipped: Path, notebooks: Path) -> None:
    write(notebooks / "etl" / "server.ipynb", "mine")

    assert copy_new(shipped, notebooks) == ["hello_world"]
    assert (notebooks / "etl" / "server.ipynb").read_text() == "mine"


def test_a_link_of_the_same_name_is_left_alone_even_when_it_leads_nowhere(shipped: Path, notebooks: Path) -> None:
    (notebooks / "etl").symlink_to("nowhere")

    assert copy_new(shipped, notebooks) == ["hello_world"]
    assert (notebooks / "etl").is_symlink()


def test_a_start_that_was_interrupted_while_it_copied_is_made_good(shipped: Path, notebooks: Path) -> None:
    write(notebooks / ".etl.partial" / "half", "a copy that broke off")

    assert copy_new(shipped, notebooks) == ["etl", "hello_world"]
    assert sorted(path.name for path in (notebooks / "etl").iterdir()) == ["server.ipynb"]
    assert not (notebooks / ".etl.partial").exists()


def test_files_beside_the_projects_are_not_shipped(shipped: Path, notebooks: Path) -> None:
    write(shipped / "README.md", "about")

    copy_new(shipped, notebooks)

    assert not (notebooks / "README.md").exists()


def test_the_copies_belong_to_the_user_even_when_the_image_is_read_only(shipped: Path, notebooks: Path) -> None:
    (shipped / "etl" / "server.ipynb").chmod(0o444)
    (shipped / "etl").chmod(0o555)

    copy_new(shipped, notebooks)

    assert (notebooks / "etl").stat().st_mode & 0o200
    assert (notebooks / "etl" / "server.ipynb").stat().st_mode & 0o200


def test_the_record_is_a_text_that_people_can_read(shipped: Path, notebooks: Path) -> None:
    copy_new(shipped, notebooks)

    assert (notebooks / RECORD).read_text() == "etl\nhello_world\n"
