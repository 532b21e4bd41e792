"""The image as it is, and with all the hardening at once that the documentation promises."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.container import Container, bind
from tests.image.jupyter import Kernel
from tests.image.logs import find_unexpected_lines
from tests.support.processes import TCP_LISTEN

HARDENING = [
    *("--read-only", "--tmpfs=/run", "--tmpfs=/tmp"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
    "--memory=1g",
    "--user=1234567:0",  # any user with group 0
]
VARIANTS = {"as it is": [], "all at once": HARDENING}


@pytest.fixture(scope="module")
def wheel(make_wheel: Callable[[str, str], Path]) -> Path:
    return make_wheel("greeting", "hello = 'Hello from a package.'")


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def container(request: pytest.FixtureRequest, image: str, wheel: Path) -> Iterator[Container]:
    options = [*request.param, bind(wheel.parent, "/wheels")]
    with Container(image, *options, SERVE="hello_world") as container:
        yield container.start().wait_until_serving()


def test_serves_a_shipped_notebook(container: Container) -> None:
    answer = container.get("/invoke/hello_world")

    assert (answer.status_code, answer.text.strip()) == (200, '{"hello": "world"}')


def test_pip_install_in_a_notebook_works_there_and_in_the_api_and_outlives_a_restart(
    container: Container, wheel: Path
) -> None:
    with Kernel(container) as kernel:
        kernel.run(f"%pip install --no-index /wheels/{wheel.name}")
        assert kernel.run("import greeting; print(greeting.hello)") == "Hello from a package.\n"
    container.write("greeter", ["import greeting", "# GET /greeting\nprint(greeting.hello)"])

    container.serve("greeter")
    assert container.get("/invoke/greeting").text == "Hello from a package.\n"

    container.restart().wait_until_serving()
    with Kernel(container) as kernel:
        assert kernel.run("import greeting; print(greeting.hello)") == "Hello from a package.\n"


def test_kernels_have_a_home_that_they_can_write_to(container: Container) -> None:
    with Kernel(container) as kernel:
        home = kernel.run("from pathlib import Path; Path('~/x').expanduser().write_text('x'); print(Path.home())")

    assert home == "/notebook/.home\n"


def test_nothing_but_nginx_listens_on_tcp(container: Container) -> None:
    with Kernel(container) as kernel:
        kernel.run("'it has all its sockets when it answers'")
        table = [line.split() for line in container.sh("cat /proc/net/tcp /proc/net/tcp6").splitlines()]

    assert [address for _, address, _, state, *_ in table if state == TCP_LISTEN] == ["00000000:1F90"]


def test_its_log_has_no_unexpected_warning(container: Container) -> None:
    assert find_unexpected_lines(container.log()) == []


def test_stops_by_itself_when_asked(container: Container) -> None:
    assert container.stop() == 0
    assert container.inspect("{{.State.OOMKilled}}") == "false"
    assert find_unexpected_lines(container.log()) == []
