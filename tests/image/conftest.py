"""The image, built beside the first tests; its containers and volumes; and a container's log beside each failure."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.image.container import REVISION, ROOT, TAG, TITLE, VERSION, Container, Volume, docker
from tests.support import packages

SHOWN = 20_000  # characters of a log
BUILD_SECONDS = 900  # a loaded machine that has nothing of it yet
_build: Future[None] = Future()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for container in Container.alive:
            report.sections.append((f"log of {container.name}", container.log()[-SHOWN:]))
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to build the image, if there is a test of it among those to run."""
    uses_image = any("image" in getattr(item, "fixturenames", ()) for item in session.items)
    if uses_image and not session.config.option.collectonly:
        threading.Thread(target=build, daemon=True).start()


def build() -> None:
    """Build the image from the working tree: one worker does, and the others find it in the engine's cache."""
    arguments = [f"--build-arg=VERSION={VERSION}", f"--build-arg=REVISION={REVISION}"]
    try:
        with (ROOT / "Dockerfile").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            docker("build", "--quiet", f"--tag={TAG}", *arguments, str(ROOT), seconds=BUILD_SECONDS)
            # What the tag named before would otherwise stay for ever.
            docker("image", "prune", "--force", f"--filter=label={TITLE}")
    except BaseException as error:
        _build.set_exception(error)
    else:
        _build.set_result(None)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers: without one these tests are skipped, but in CI they fail."""
    try:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        answers = subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        answers = False
    if not answers and os.environ.get("CI") == "true":
        pytest.fail("no Docker engine answers; CI tests the image with one: .ci/docker-engine")
    if not answers:
        pytest.skip("no Docker engine answers. To bring one up as root: .ci/docker-engine")


@pytest.fixture(scope="session")
def image(engine: None) -> str:
    """The image, built from the working tree."""
    _build.result()
    return TAG


@pytest.fixture(scope="session")
def shared_container(image: str) -> Iterator[Container]:
    """One running container for all tests that change nothing in it; it serves hello_world."""
    with Container(image, SERVE="hello_world") as container:
        yield container.start().wait_until_serving()


@pytest.fixture
def new_container(image: str) -> Iterator[Callable[..., Container]]:
    """Makes containers of one test's own, not started yet, with the options and settings given."""
    with ExitStack() as containers:

        def make(*options: str, **settings: str) -> Container:
            return containers.enter_context(Container(image, *options, **settings))

        yield make


@pytest.fixture
def volume(engine: None) -> Iterator[Volume]:
    """An empty volume."""
    with Volume() as volume:
        yield volume


@pytest.fixture(scope="session")
def make_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Writes a package to install, of one module with the code given, so that no index is needed."""

    def make(name: str, code: str) -> Path:
        path = packages.make_wheel(tmp_path_factory.mktemp("wheels"), name, code)
        # pytest keeps its folders to itself; the container runs as somebody else.
        path.parent.chmod(0o755)
        return path

    return make
