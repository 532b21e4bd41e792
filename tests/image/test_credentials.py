"""Passwords: each way to hand one over, what is refused, and where none may ever be seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.container import OWNER, Container, bind
from tests.image.jupyter import Kernel

Make = Callable[..., Container]
USER, PASSWORD = OWNER


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file that the container's user can read."""

    def make(text: str) -> Path:
        path = tmp_path / "secret"
        path.write_text(text)
        path.chmod(0o644)
        return path

    return make


def lets_in(container: Container, password: str) -> bool:
    return container.get("/", auth=(USER, password)).status_code == 200


def test_the_password_can_be_a_variable(shared_container: Container) -> None:
    assert lets_in(shared_container, PASSWORD)
    assert not lets_in(shared_container, "another-password")


def test_the_password_can_be_in_a_file_which_may_end_with_a_newline(
    new_container: Make, write: Callable[[str], Path]
) -> None:
    mount = bind(write(f"{PASSWORD}\n"), "/run/secrets/password")
    container = new_container(mount, password=False, NOTEBOOK_PASSWORD_FILE="/run/secrets/password").start()

    assert lets_in(container, PASSWORD)


def test_the_password_can_be_in_a_connectors_configuration(new_container: Make, write: Callable[[str], Path]) -> None:
    mount = bind(write(f'{{"password": "{PASSWORD}"}}'), "/etc/connector/config.json")
    container = new_container(mount, password=False).start()

    assert lets_in(container, PASSWORD)


def test_without_any_one_is_made_up_and_printed_once(new_container: Make) -> None:
    container = new_container(password=False).start()

    [line] = [line for line in container.log().splitlines() if line.startswith("password  ")]
    assert lets_in(container, line.split()[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"NOTEBOOK_PASSWORD": "short"},
            "NOTEBOOK_PASSWORD holds a password of 5 characters: give at least 8",
        ),
        (
            {"NOTEBOOK_PASSWORD": PASSWORD, "NOTEBOOK_PASSWORD_FILE": "/etc/hostname"},
            "NOTEBOOK_PASSWORD and NOTEBOOK_PASSWORD_FILE are both set",
        ),
        ({"NOTEBOOK_PASSWORD_FILE": "/nowhere"}, "NOTEBOOK_PASSWORD_FILE is '/nowhere': it cannot be read"),
        (
            {"NOTEBOOK_PASSWORD_FILE": "/etc/shadow"},
            "NOTEBOOK_PASSWORD_FILE is '/etc/shadow': it cannot be read",
        ),
        ({"API_USER": "webhook"}, "API_PASSWORD is not set"),
        ({"PORT": "http"}, "PORT is 'http': give a whole number"),
        ({"KERNELS": "0"}, "KERNELS is '0': give a whole number"),
        ({"NOTEBOOK_DIR": "/nowhere"}, "NOTEBOOK_DIR is '/nowhere': give a folder that exists"),
        ({"RUN_DIR": f"/run/{'x' * 80}"}, "too long for the sockets in it"),
        ({"RUN_DIR": "/etc/run"}, "RUN_DIR is '/etc/run': it cannot be used"),
    ],
)
def test_what_it_cannot_use_ends_it_with_one_line_that_says_what_to_do(
    new_container: Make, settings: dict[str, str], message: str
) -> None:
    container = new_container(password=False, **settings).run()

    assert container.wait_until_ended() != 0
    [line] = container.log().splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_connectors_configuration_of_another_form_is_refused(
    new_container: Make, write: Callable[[str], Path]
) -> None:
    mount = bind(write('{"secret": "…"}'), "/etc/connector/config.json")
    container = new_container(mount, password=False).run()

    assert container.wait_until_ended() != 0
    assert 'is not of the form {"password": "…"}' in container.log()


def test_no_process_has_the_password_in_its_environment_or_command_line(new_container: Make) -> None:
    # Docker gives the variables of `docker run` to the healthcheck too; docs/image.md says what avoids that.
    container = new_container("--no-healthcheck", SERVE="hello_world").start().wait_until_serving()

    with Kernel(container):
        processes = container.processes()

    assert len([process for process in processes if "ipykernel" in process["command"]]) == 2
    assert [process for process in processes if PASSWORD in process["environ"] + process["command"]] == []


def test_no_kernel_finds_the_password_anywhere_in_proc_or_in_a_file(new_container: Make) -> None:
    search = (
        "import os, pathlib, subprocess\n"
        "found = [name for name, value in os.environ.items() if value == %r]\n"
        "for path in pathlib.Path('/proc').glob('[0-9]*/environ'):\n"
        "    if path.read_bytes().find(%r) >= 0: found.append(str(path))\n"
        "command = ['grep', '-rlF', %r, '/run', '/notebook', '/tmp', '/app', '--devices=skip']\n"
        "found += subprocess.run(command, capture_output=True, text=True).stdout.split()\n"
        "print(found)"
    )
    # The cell itself must not hold what it looks for.
    half = len(PASSWORD) // 2
    word = f"({PASSWORD[:half]!r} + {PASSWORD[half:]!r})"
    code = search.replace("%r", "{}").format(word, f"{word}.encode()", word)
    container = new_container("--no-healthcheck").start()
    container.write("spy", [f"# GET /spy\n{code}"])
    container.serve("spy")

    assert container.get("/invoke/spy").text == "[]\n"
    with Kernel(container) as kernel:
        assert kernel.run(code) == "[]\n"


def test_no_log_has_the_password(new_container: Make) -> None:
    container = new_container(SERVE="hello_world", API_USER="webhook", API_PASSWORD="a-callers-password").start()
    container.wait_until_serving().get("/invoke/hello_world")
    container.get("/invoke/hello_world", auth=(USER, "a-wrong-password"))
    container.get("/jupyter/api/status")
    container.stop()

    log = container.log()

    assert not [word for word in (PASSWORD, "a-callers-password", "a-wrong-password") if word in log]
