"""Packages of a project: its `requirements.txt`, in the API and in Jupyter."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.jupyter import Jupyter
from tests.support.packages import make_wheel
from tests.support.stack import Stack
from tests.support.waiting import eventually

CELLS = ["import greeting", "# GET /greeting\nprint(greeting.text)"]


@pytest.fixture
def greeter(stack: Stack) -> Iterator[Stack]:
    """The shared stack, with a project that requires the package `greeting`."""
    wheels = stack.notebook_dir / "wheels"
    make_wheel(wheels, "greeting", "text = 'Hello from a package.'", "1.0")
    make_wheel(wheels, "greeting", "text = 'Good evening.'", "2.0")
    require(stack, "greeting<2")
    stack.write("greeter", CELLS)
    yield stack
    shutil.rmtree(stack.notebook_dir / "greeter")  # other tests have a project of that name


def require(stack: Stack, text: str, project: str = "greeter") -> None:
    path = stack.notebook_dir / project / "requirements.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"--no-index\n--find-links ../wheels\n{text}\n")


def test_a_project_is_served_with_its_packages_and_the_others_without(greeter: Stack) -> None:
    greeter.serve("other", ["# GET /other\nprint('other')"])
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(greeter.restart_api, "greeter")
        eventually(lambda: greeter.status()["busy"] == "Installing the packages of greeter.", 10)
        assert greeter.invoke("other").text == "other\n"
        assert start.result().status_code == 200

    assert greeter.invoke("greeting").text == "Hello from a package.\n"
    assert "[pip] Successfully installed greeting-1.0" in greeter.api_log()
    greeter.write("other", CELLS)
    answer = greeter.restart_api("other")
    assert answer.status_code == 422
    assert "No module named 'greeting'" in answer.json()["message"]


def test_two_projects_have_two_versions_of_a_package_at_once(greeter: Stack) -> None:
    greeter.write("evening", CELLS)
    require(greeter, "greeting==2.0", "evening")
    greeter.serve("greeter", CELLS)
    assert greeter.start_api("evening").status_code == 200

    texts = [greeter.get(f"/apis/{name}/greeting").text for name in ("greeter", "evening", "greeter")]

    assert texts == ["Hello from a package.\n", "Good evening.\n", "Hello from a package.\n"]
    environments = [path for path in (greeter.notebook_dir / ".envs").iterdir() if path.name != "shared"]
    assert len(environments) >= 2
    assert greeter.stop_api("evening").status_code == 200


def test_other_requirements_count_at_the_next_start(greeter: Stack) -> None:
    require(greeter, "greeting")
    assert greeter.restart_api("greeter").status_code == 200

    assert greeter.invoke("greeting").text == "Good evening.\n"


def test_what_cannot_be_installed_is_a_422_and_what_was_served_goes_on(greeter: Stack) -> None:
    assert greeter.restart_api("greeter").status_code == 200
    require(greeter, "no-such-package-here")

    answer = greeter.restart_api("greeter")

    assert answer.status_code == 422
    message = answer.json()["message"]
    assert "No matching distribution found for no-such-package-here" in message
    assert message.endswith("greeter goes on serving as it was.")
    assert greeter.invoke("greeting").text == "Hello from a package.\n"
    assert "No matching distribution" in greeter.get("/").text


def test_a_missing_package_is_added_by_a_button(greeter: Stack) -> None:
    require(greeter, "")
    assert "No module named 'greeting'" in greeter.restart_api("greeter").json()["message"]
    assert "Add package and start again" in greeter.get("/").text

    form = {"do": "add-package", "notebook": "greeter", "package": "greeting<2"}
    assert greeter.post("/", data=form).status_code == 200

    assert greeter.invoke("greeting").text == "Hello from a package.\n"


def test_a_ruined_environment_is_named_and_made_anew_by_a_button(stack: Stack) -> None:
    stack.serve("ruined", ["# GET /x\nprint('x')"])
    [packages] = (stack.notebook_dir / ".envs" / "shared").glob("lib/python*/site-packages")
    (packages / "tornado.py").write_text("raise ImportError('this is another tornado')")

    answer = stack.restart_api("ruined")

    assert answer.status_code == 422
    assert "no kernel can start with the packages that are installed in its environment" in answer.json()["message"]
    assert "this is another tornado" in answer.json()["message"]
    assert stack.invoke("x").text == "x\n"
    assert "Make the environment anew and start again" in stack.get("/").text
    assert stack.post("/", data={"do": "renew-environment", "notebook": "ruined"}).status_code == 200
    assert stack.status()["last_error"] is None
    assert not (packages / "tornado.py").exists()


def test_a_shared_environment_that_was_deleted_is_made_anew(stack: Stack) -> None:
    shutil.rmtree(stack.notebook_dir / ".envs" / "shared")
    stack.serve("after", ["# GET /x\nimport sys\nprint(sys.prefix)"])
    assert stack.invoke("x").text == f"{stack.notebook_dir}/.envs/shared\n"


def test_a_notebook_and_a_terminal_of_the_project_have_its_packages(greeter: Stack) -> None:
    require(greeter, "greeting<2 # for Jupyter")
    greeter.write("other", CELLS)
    code = "import greeting, os, shutil; print(greeting.text, os.getcwd(), shutil.which('pip'))"
    with Jupyter(greeter) as jupyter:
        shown = jupyter.run_in_terminal("greeter", "echo 'a''b'", "ab")
        assert "The packages of greeter are not installed yet." in shown
        kernel = jupyter.open_notebook("greeter/server.ipynb").json()["kernel"]["id"]
        socket = jupyter.connect(kernel)
        output = jupyter.run(socket, code)
        assert output.startswith(f"Hello from a package. {greeter.notebook_dir}/greeter {greeter.notebook_dir}/.envs/")
        output = jupyter.run(socket, "%pip install --no-index greeting")
        assert "this project's packages are those in its requirements.txt. Add a line there" in output
        socket.shutdown()
        command = "python -c 'import greeting; print(greeting.text)'"
        assert "Hello from" in jupyter.run_in_terminal("greeter", command, "Hello from a package.")
        other = jupyter.connect(jupyter.open_notebook("other/server.ipynb").json()["kernel"]["id"])
        assert jupyter.run(other, "import importlib.util\nprint(importlib.util.find_spec('greeting'))") == "None\n"
        other.shutdown()
    log = "/process/logs?notebook=greeter&lines=10000"
    before = greeter.get(log).text
    assert greeter.restart_api("greeter").status_code == 200
    assert greeter.get(log).text.startswith(before)
    new = greeter.get(log).text[len(before) :]
    assert "[pip]" not in new, "what Jupyter has installed is there for the API too"


def test_jupyter_says_which_package_cannot_be_installed(greeter: Stack) -> None:
    require(greeter, "no-such-package-here")
    with Jupyter(greeter) as jupyter:
        answer = jupyter.open_notebook("greeter/draft.ipynb")

    assert answer.status_code == 500
    assert "No matching distribution found for no-such-package-here" in answer.json()["message"]
