"""Packages of a project: its `requirements.txt`, in the API and in Jupyter."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.packages import make_wheel
from tests.support.stack import Stack
from tests.support.waiting import eventually

CELLS = ["import greeting", "# GET /greeting\nprint(greeting.text)"]


@pytest.fixture
def greeter(stack: Stack) -> Stack:
    """The shared stack, with a project that requires the package `greeting`."""
    wheels = stack.notebook_dir / "wheels"
    make_wheel(wheels, "greeting", "text = 'Hello from a package.'", "1.0")
    make_wheel(wheels, "greeting", "text = 'Good evening.'", "2.0")
    require(stack, "greeting<2")
    stack.write("greeter", CELLS)
    return stack


def require(stack: Stack, text: str) -> None:
    path = stack.notebook_dir / "greeter" / "requirements.txt"
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
