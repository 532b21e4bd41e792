"""The shipped projects: copied once, and from then on the user's own."""

from pathlib import Path

import pytest

from control.projects.bundled import RECORD, copy_new


@pytest.fixture
def shipped_dir(tmp_path: Path) -> Path:
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


def test_the_first_start_copies_all_projects(shipped_dir: Path, notebooks: Path) -> None:
    write(shipped_dir / "etl" / "data" / "rows.csv", "a,b")

    assert copy_new(shipped_dir, notebooks) == ["etl", "hello_world"]

    assert (notebooks / "hello_world" / "server.ipynb").read_text() == "shipped hello_world"
    assert (notebooks / "etl" / "data" / "rows.csv").read_text() == "a,b"


def test_a_later_start_copies_nothing(shipped_dir: Path, notebooks: Path) -> None:
    copy_new(shipped_dir, notebooks)

    assert copy_new(shipped_dir, notebooks) == []


def test_what_a_user_changed_stays(shipped_dir: Path, notebooks: Path) -> None:
    copy_new(shipped_dir, notebooks)
    write(notebooks / "etl" / "server.ipynb", "changed")
    write(shipped_dir / "etl" / "server.ipynb", "a newer image's")

    copy_new(shipped_dir, notebooks)

    assert (notebooks / "etl" / "server.ipynb").read_text() == "changed"


def test_what_a_user_deleted_stays_deleted(shipped_dir: Path, notebooks: Path) -> None:
    copy_new(shipped_dir, notebooks)
    remove(notebooks / "etl")

    assert copy_new(shipped_dir, notebooks) == []
    assert not (notebooks / "etl").exists()


def test_what_a_user_renamed_does_not_come_back(shipped_dir: Path, notebooks: Path) -> None:
    copy_new(shipped_dir, notebooks)
    (notebooks / "etl").rename(notebooks / "mine")

    assert copy_new(shipped_dir, notebooks) == []


def test_a_newer_image_adds_a_new_project(shipped_dir: Path, notebooks: Path) -> None:
    copy_new(shipped_dir, notebooks)
    remove(notebooks / "etl")
    write(shipped_dir / "search" / "server.ipynb", "new")

    assert copy_new(shipped_dir, notebooks) == ["search"]
    assert sorted(path.name for path in notebooks.glob("[!.]*")) == ["hello_world", "search"]


def test_an_older_image_forgets_nothing_that_a_newer_one_shipped(shipped_dir: Path, notebooks: Path) -> None:
    write(shipped_dir / "search" / "server.ipynb", "new")
    copy_new(shipped_dir, notebooks)
    remove(notebooks / "search")
    (shipped_dir / "search").rename(shipped_dir.parent / "kept")
    copy_new(shipped_dir, notebooks)
    (shipped_dir.parent / "kept").rename(shipped_dir / "search")

    assert copy_new(shipped_dir, notebooks) == []


def test_a_users_own_project_of_the_same_name_is_left_alone(shipped_dir: Path, notebooks: Path) -> None:
    write(notebooks / "etl" / "server.ipynb", "mine")

    assert copy_new(shipped_dir, notebooks) == ["hello_world"]
    assert (notebooks / "etl" / "server.ipynb").read_text() == "mine"


def test_a_link_of_the_same_name_is_left_alone_even_when_it_leads_nowhere(shipped_dir: Path, notebooks: Path) -> None:
    (notebooks / "etl").symlink_to("nowhere")

    assert copy_new(shipped_dir, notebooks) == ["hello_world"]
    assert (notebooks / "etl").is_symlink()


def test_a_start_that_was_interrupted_while_it_copied_is_made_good(shipped_dir: Path, notebooks: Path) -> None:
    write(notebooks / ".etl.partial" / "half", "a copy that broke off")

    assert copy_new(shipped_dir, notebooks) == ["etl", "hello_world"]
    assert sorted(path.name for path in (notebooks / "etl").iterdir()) == ["server.ipynb"]
    assert not (notebooks / ".etl.partial").exists()


def test_files_beside_the_projects_are_not_shipped(shipped_dir: Path, notebooks: Path) -> None:
    write(shipped_dir / "README.md", "about")

    copy_new(shipped_dir, notebooks)

    assert not (notebooks / "README.md").exists()


def test_the_copies_belong_to_the_user_even_when_the_image_is_read_only(shipped_dir: Path, notebooks: Path) -> None:
    (shipped_dir / "etl" / "server.ipynb").chmod(0o444)
    (shipped_dir / "etl").chmod(0o555)

    copy_new(shipped_dir, notebooks)

    assert (notebooks / "etl").stat().st_mode & 0o200
    assert (notebooks / "etl" / "server.ipynb").stat().st_mode & 0o200


def test_a_copy_has_no_variables(shipped_dir: Path, notebooks: Path) -> None:
    write(shipped_dir / "etl" / ".env", "KEY=secret")  # without a container, templates are a user's own projects

    copy_new(shipped_dir, notebooks)

    assert [path.name for path in (notebooks / "etl").iterdir()] == ["server.ipynb"]


def test_the_record_is_a_text_that_people_can_read(shipped_dir: Path, notebooks: Path) -> None:
    copy_new(shipped_dir, notebooks)

    assert (notebooks / RECORD).read_text() == "etl\nhello_world\n"
