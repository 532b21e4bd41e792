"""What a start does to the notebooks, and what stays in the volume."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.container import Container, Volume, bind
from tests.image.jupyter import Kernel
from tests.support.notebooks import notebook_text

Make = Callable[..., Container]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that an image could ship."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "server.ipynb").write_text(notebook_text(["# GET /new\nprint('new')"]))
    for path in (tmp_path, folder, folder / "server.ipynb"):
        path.chmod(0o755)
    return folder


def ships(project: Path, name: str) -> str:
    """The option of `docker run` that makes an image ship one project more."""
    return bind(project, f"/app/notebook/{name}")


def projects(container: Container) -> list[str]:
    result: list[str] = container.get("/process/notebooks").json()["notebooks"]
    return result


def test_the_first_start_copies_the_shipped_projects_so_that_their_owner_can_write_to_them(
    new_container: Make, volume: Volume
) -> None:
    container = new_container(volume.option()).start()

    assert container.sh("cd /notebook && ls") == container.sh("cd /app/notebook && ls")
    assert container.sh("diff -r /app/notebook/hello_world /notebook/hello_world") == ""
    container.sh("cd /notebook/hello_world && touch new && echo >>README.md && echo >>server.ipynb")


def test_a_newer_image_adds_what_is_new_and_leaves_alone_what_a_user_changed_or_deleted(
    new_container: Make, volume: Volume, project: Path
) -> None:
    first = new_container(volume.option(), ships(project, "second")).start()
    first.write("hello_world", ["# GET /mine\nprint('mine')"])
    first.sh("rm -r /notebook/second")
    first.write("mine", ["# GET /mine\nprint('mine')"])
    first.stop()

    newer = new_container(
        volume.option(), ships(project, "second"), ships(project, "third"), ships(project, "mine")
    ).start()

    assert "second" not in projects(newer)
    assert {"hello_world", "mine", "third"} < set(projects(newer))
    assert "GET /mine" in newer.sh("cat /notebook/hello_world/server.ipynb")
    assert "GET /mine" in newer.sh("cat /notebook/mine/server.ipynb")
    assert "GET /new" in newer.sh("cat /notebook/third/server.ipynb")


def test_another_container_on_the_volume_serves_what_was_served_with_what_was_installed(
    new_container: Make, volume: Volume, make_wheel: Callable[[str, str], Path]
) -> None:
    wheel = make_wheel("greeting", "hello = 'Hello from a package.'")
    first = new_container(volume.option(), bind(wheel.parent, "/wheels")).start()
    with Kernel(first) as kernel:
        assert "Successfully" in kernel.run(f"!pip install --no-index /wheels/{wheel.name}")
    first.write("greeter", ["import greeting", "# GET /greeting\nprint(greeting.hello)"])
    first.serve("greeter")
    first.stop()

    second = new_container(volume.option()).start().wait_until_serving()

    assert second.get("/invoke/greeting").text == "Hello from a package.\n"


def test_a_volume_that_cannot_be_written_to_is_served_with_a_warning(new_container: Make, volume: Volume) -> None:
    new_container(volume.option(), SERVE="hello_world").start().stop()

    container = new_container(volume.option("ro"), SERVE="hello_world").start().wait_until_serving()

    assert container.get("/invoke/hello_world").status_code == 200
    assert "user 1000 cannot write there (Read-only file system)" in container.log()
    with Kernel(container) as kernel:
        assert kernel.run("import flask; print('works')") == "works\n"


def test_a_folder_that_belongs_to_somebody_else_is_named_with_what_to_do(new_container: Make, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    container = new_container(f"--volume={tmp_path}:/notebook").start()

    log = container.log()

    assert "warning: NOTEBOOK_DIR is '/notebook': user 1000 cannot write there" in log
    assert "chown -R 1000" in log


def test_projects_of_another_user_of_the_volume_are_named_with_what_to_do(new_container: Make, volume: Volume) -> None:
    new_container(volume.option()).start().stop()

    second = new_container(volume.option(), "--user=2000:0").start()

    assert "warning: NOTEBOOK_DIR is '/notebook': user 2000 cannot save the notebooks of these projects" in second.log()
    assert "which belong to user 1000: " in second.log()
    assert "chown -R 2000 /notebook" in second.log()
    assert "hello_world" in second.get("/").text.partition("cannot be saved")[0]


def test_a_package_that_a_user_installs_cannot_keep_the_stack_from_starting(
    new_container: Make, volume: Volume, make_wheel: Callable[[str, str], Path]
) -> None:
    wheels = [make_wheel(name, "raise RuntimeError('broken')") for name in ("flask", "tornado")]
    mounts = [bind(wheel, f"/wheels/{wheel.name}") for wheel in wheels]
    container = new_container(volume.option(), *mounts).start()
    with Kernel(container) as kernel:
        output = kernel.run("!pip install --no-index --no-deps /wheels/*.whl")
        assert "Successfully installed flask-99.0 tornado-99.0" in output

    container.restart()

    assert container.get("/").status_code == 200
    assert container.get("/jupyter/tree").status_code == 200
