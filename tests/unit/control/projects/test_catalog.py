"""Projects: which folders are some, and that no name leads out of the notebook folder."""

import os
import shutil
from pathlib import Path

import pytest

from control.config.errors import NoDefaultProject, UnknownProject
from control.projects import catalog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A notebook folder beside one that nothing may reach."""
    inside = tmp_path / "notebooks"
    for name in ("shop", "team/deep", "shop/.ipynb_checkpoints", ".hidden", "a b", "x/node_modules/y"):
        make(inside / name)
    make(tmp_path / "outside")
    (inside / "empty").mkdir()
    return inside


def make(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "server.ipynb").write_text('{"cells": []}', encoding="utf-8")


def test_projects_are_found_at_any_depth_and_sorted(folder: Path) -> None:
    assert [project.name for project in catalog.find_all(folder)] == ["a b", "shop", "team/deep"]


def test_a_notebook_in_the_notebook_folder_itself_is_no_project(folder: Path) -> None:
    (folder / "server.ipynb").write_text("{}", encoding="utf-8")

    assert "." not in [project.name for project in catalog.find_all(folder)]
    for name in (".", "", "/", "server.ipynb", "./server.ipynb"):
        with pytest.raises(UnknownProject):
            catalog.find(folder, name)


@pytest.mark.parametrize("name", ["shop", "shop/", "shop/server.ipynb", "team/deep", "team/deep/server.ipynb"])
def test_a_project_is_found_by_its_name_and_by_its_notebook(folder: Path, name: str) -> None:
    project = catalog.find(folder, name)

    assert project.name == name.removesuffix("/server.ipynb").strip("/")
    assert project.notebook == folder / project.name / "server.ipynb"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../outside",
        "../outside/server.ipynb",
        "shop/../../outside",
        "shop/../shop",
        "shop/./",
        "team//deep",
        "http://example.org/shop",
        "file://shop",
        "shop\0",
        "\0",
        "x" * 300,
        "x/" * 3000,
        "empty",
        "missing",
        "team",
        ".hidden",
        "shop/.ipynb_checkpoints",
        "x/node_modules/y",
        "shop/server.ipynb/server.ipynb",
        "~",
        "SHOP",
        "",
        "\udcff",
    ],
)
def test_no_other_name_finds_anything(folder: Path, name: str) -> None:
    with pytest.raises(UnknownProject):
        catalog.find(folder, name)


def test_an_absolute_path_finds_nothing_even_inside(folder: Path) -> None:
    for path in (folder / "shop", folder / "shop" / "server.ipynb", folder.parent / "outside"):
        with pytest.raises(UnknownProject):
            catalog.find(folder, str(path))


def test_a_linked_folder_is_no_project(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "twin").symlink_to(folder / "shop")

    for name in ("link", "twin", "link/server.ipynb"):
        with pytest.raises(UnknownProject):
            catalog.find(folder, name)
    assert not {"link", "twin"} & {project.name for project in catalog.find_all(folder)}


def test_a_linked_notebook_is_no_project(folder: Path) -> None:
    (folder / "empty" / "server.ipynb").symlink_to(folder.parent / "outside" / "server.ipynb")

    with pytest.raises(UnknownProject):
        catalog.find(folder, "empty")
    assert "empty" not in [project.name for project in catalog.find_all(folder)]


def test_a_notebook_that_is_no_regular_file_is_not_opened(folder: Path) -> None:
    project = catalog.find(folder, "shop")
    project.notebook.unlink()
    os.mkfifo(project.notebook)

    assert "shop" not in [each.name for each in catalog.find_all(folder)]
    with pytest.raises(UnknownProject, match=r"its server\.ipynb is no regular file"):
        catalog.find(folder, "shop")


def test_a_folder_called_server_ipynb_is_no_project(folder: Path) -> None:
    (folder / "empty" / "server.ipynb").mkdir()

    with pytest.raises(UnknownProject):
        catalog.find(folder, "empty")


@pytest.mark.parametrize("name", ["text", "text/", "text/server.py", "text/server.ipynb"])
def test_a_notebook_as_text_makes_a_project_too(folder: Path, name: str) -> None:
    (folder / "text").mkdir()
    (folder / "text" / "server.py").write_text("# GET /x")

    assert catalog.find(folder, name) == catalog.Project("text", folder / "text" / "server.py")
    assert "text" in [project.name for project in catalog.find_all(folder)]
    assert catalog.Listing(folder).files()["text"] == "server.py"


@pytest.mark.parametrize("name", ["shop", "shop/server.py", "shop/server.ipynb"])
def test_where_both_are_there_the_notebook_counts_that_is_not_text(folder: Path, name: str) -> None:
    (folder / "shop" / "server.py").write_text("# GET /x")
    listing = catalog.Listing(folder)

    assert catalog.find(folder, name).notebook.name == "server.ipynb"
    assert (listing.files()["shop"], listing.with_both()) == ("server.ipynb", ["shop"])


def test_a_text_that_is_no_regular_file_makes_no_project(folder: Path) -> None:
    (folder / "empty" / "server.py").symlink_to(folder / "shop" / "server.ipynb")

    assert "empty" not in [project.name for project in catalog.find_all(folder)]
    for name in ("empty", "shop/server.py/server.py", "server.py"):
        with pytest.raises(UnknownProject):
            catalog.find(folder, name)


def test_a_notebook_folder_that_is_a_link_itself_is_fine(folder: Path) -> None:
    link = folder.parent / "mount"
    link.symlink_to(folder)

    assert catalog.find(link, "shop").name == "shop"
    assert [project.name for project in catalog.find_all(link)] == ["a b", "shop", "team/deep"]


def test_the_refusal_names_the_projects_that_there_are(folder: Path) -> None:
    with pytest.raises(UnknownProject, match=r"'nope'.*shop, team/deep"):
        catalog.find(folder, "nope")


def test_the_refusal_says_when_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(UnknownProject, match="none yet"):
        catalog.find(tmp_path, "nope")


def test_a_start_without_a_name_means_the_last_the_only_one_or_hello_world(folder: Path) -> None:
    def default(last: str | None) -> str:
        return catalog.find_default(folder, last).name

    assert default("shop") == "shop"
    for last in (None, "deleted"):
        with pytest.raises(NoDefaultProject, match=r"start\?notebook=<project>.*: a b, shop, team/deep\."):
            default(last)
    make(folder / "hello_world")
    assert (default("shop"), default("deleted")) == ("shop", "hello_world")
    for name in ("hello_world", "shop", "team"):
        shutil.rmtree(folder / name)
    assert default(None) == "a b"


def test_a_listing_is_not_walked_anew_for_everybody_who_asks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[Path] = []
    projects = catalog.find_all(folder)
    clock = iter([0.0, 0.1, 1.9, 2.2, 2.3, 2.4, 2.5, 3.0])

    def walk(notebook_dir: Path) -> list[catalog.Project]:
        walks.append(notebook_dir)
        return projects

    monkeypatch.setattr(catalog, "find_all", walk)
    monkeypatch.setattr(catalog.time, "monotonic", lambda: next(clock))
    listing = catalog.Listing(folder)
    names = ["a b", "shop", "team/deep"]

    assert [list(listing.files()), list(listing.files())] == [
        names,
        names,
    ]  # walked from 0.0 to 0.1, asked again at 1.9
    assert len(walks) == 1
    assert list(listing.files()) == names  # at 2.2
    assert len(walks) == 2
    listing.invalidate()
    assert list(listing.files()) == names
    assert len(walks) == 3
