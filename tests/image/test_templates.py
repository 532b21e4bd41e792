"""The shipped projects as a user finds them: in the image, without settings, without a network."""

import json
from collections.abc import Iterator

import pytest

from tests.image.container import OWNER, ROOT, START_SECONDS, Container
from tests.image.logs import find_unexpected_lines
from tests.support.waiting import eventually

SHIPPED = sorted(path.parent.name for path in ROOT.glob("notebook/*/server.ipynb"))
# Nobody outside can reach a container without a network; but inside nginx listens on the loopback address.
CALL = f"""
import requests
def call(method, path):
    response = requests.request(method, "http://127.0.0.1:8080/process/" + path, auth={OWNER!r})
    print(response.text)
"""


@pytest.fixture(scope="module")
def cut_off(image: str) -> Iterator[Container]:
    """A container that sees no network."""
    with Container(image, "--network=none") as container:
        container.run()
        eventually(
            lambda: container.inspect("{{.State.Health.Status}}") == "healthy", START_SECONDS, "a healthy container"
        )
        yield container


@pytest.mark.parametrize("project", SHIPPED)
def test_each_shipped_project_is_served_without_settings_and_without_a_network(
    cut_off: Container, project: str
) -> None:
    assert cut_off.python("import socket; print([name for _, name in socket.if_nameindex()])") == "['lo']\n"

    output = cut_off.python(f"{CALL}\ncall('POST', 'restart?notebook={project}')")
    status = json.loads(cut_off.python(f"{CALL}\ncall('GET', 'status')"))

    assert (status["state"], status["notebook"]) == ("serving", project), output
    assert status["endpoints"]
    assert find_unexpected_lines(cut_off.log()) == []
