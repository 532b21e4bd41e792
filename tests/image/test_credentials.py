"""Passwords: that the container gets them, and where none may ever be seen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.container import OWNER, Container, bind
from tests.image.jupyter import Kernel
from tests.support.waiting import eventually

Make = Callable[..., Container]
USER, PASSWORD = OWNER


@pytest.fixture(scope="module")
def guarded_container(image: str) -> Iterator[Container]:
    """A container with both passwords, which serves hello_world.

    Docker gives the variables of `docker run` to the healthcheck too; docs/image.md says what avoids that.
    """
    users = {"API_USER": "webhook", "API_PASSWORD": "a-callers-password"}
    with Container(image, "--no-healthcheck", SERVE="hello_world", **users) as container:
        yield container.start().wait_until_serving()


def lets_in(container: Container, password: str) -> bool:
    return container.get("/", auth=(USER, password)).status_code == 200


def test_the_password_can_be_a_variable(shared_container: Container) -> None:
    assert lets_in(shared_container, PASSWORD)
    assert not lets_in(shared_container, "another-password")


def test_the_password_can_be_in_a_connectors_configuration(new_container: Make, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(f'{{"password": "{PASSWORD}"}}')
    path.chmod(0o644)  # the container's user is somebody else
    container = new_container(bind(path, "/etc/connector/config.json"), password=False).start()

    assert lets_in(container, PASSWORD)


def test_what_its_user_cannot_read_ends_it_with_one_line_that_says_what_to_do(new_container: Make) -> None:
    container = new_container(password=False, NOTEBOOK_PASSWORD_FILE="/etc/shadow").run()

    assert container.wait_until_ended() != 0
    [line] = container.log().splitlines()
    assert line.startswith("error: NOTEBOOK_PASSWORD_FILE is '/etc/shadow': it cannot be read (Permission denied")


def test_no_process_has_the_password_in_its_environment_or_command_line(guarded_container: Container) -> None:
    with Kernel(guarded_container):
        processes = guarded_container.processes()

    assert len([process for process in processes if "ipykernel" in process["command"]]) == 2
    assert [process for process in processes if PASSWORD in process["environ"] + process["command"]] == []


def test_no_kernel_finds_the_password_anywhere_in_proc_or_in_a_file(guarded_container: Container) -> None:
    search = (
        "import glob, os, subprocess\n"
        "found = [name for name, value in os.environ.items() if value == %r]\n"
        "places = [*glob.glob('/proc/[0-9]*/environ'), '/run', '/notebook', '/tmp', '/app']\n"
        "command = ['grep', '-rlF', '--devices=skip', %r, *places]\n"
        "found += subprocess.run(command, capture_output=True, text=True).stdout.split()\n"
        "print(found)"
    )
    # The cell itself must not hold what it looks for.
    half = len(PASSWORD) // 2
    word = f"({PASSWORD[:half]!r} + {PASSWORD[half:]!r})"
    code = search.replace("%r", word)
    guarded_container.write("spy", [f"# GET /spy\n{code}"])
    guarded_container.serve("spy")

    assert guarded_container.get("/invoke/spy").text == "[]\n"
    with Kernel(guarded_container) as kernel:
        assert kernel.run(code) == "[]\n"


def test_no_log_has_the_password(guarded_container: Container) -> None:
    guarded_container.get("/invoke/hello_world")
    guarded_container.get("/jupyter/api/status")
    guarded_container.get("/invoke/hello_world", auth=(USER, "a-wrong-password"))

    log = eventually(lambda: (text := guarded_container.log()) * ("wrong passwords: 1" in text), 10, "the wrong one")

    assert not [word for word in (PASSWORD, "a-callers-password", "a-wrong-password") if word in log]
