"""The image as shipped, in 1 GB of memory, against whoever wants to end it."""

import resource
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.image.container import Container
from tests.support.half_sent import HalfSent
from tests.support.waiting import eventually

CALLER = ("caller", "a-callers-long-password")
HEALTHY = "health_status: healthy"
LIMIT = 8  # LARGE_BODY_LIMIT as it is by default
AT_ONCE = 14  # of 95 MB are more than the memory holds
MEGABYTE = b"x" * 1_000_000
HALF_REQUEST = b"GET /invoke/hello_world HTTP/1.1\r\nHost: test\r\nX-Unfinished: "


@pytest.fixture(scope="module")
def health(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engine says of the container's health, as it comes: of all containers it remembers 256 events."""
    return tmp_path_factory.mktemp("health") / "events"


@pytest.fixture(scope="module")
def small(image: str, health: Path) -> Iterator[Container]:
    options = ["--read-only", "--tmpfs=/run:size=128m", "--tmpfs=/tmp", "--cap-drop=ALL", "--memory=1g"]
    # As often in a row as in the image: one alone, of four seconds, may be a machine that others keep busy.
    options += ["--health-interval=1s", "--health-retries=3"]
    with Container(image, *options, SERVE="hello_world", API_USER=CALLER[0], API_PASSWORD=CALLER[1]) as container:
        filters = [f"--filter=container={container.name}", "--filter=event=health_status"]
        with health.open("w") as file:
            follower = subprocess.Popen(["docker", "events", "--format={{.Action}}", *filters], stdout=file)
        try:
            container.start().wait_until_serving()
            eventually(lambda: health.read_text() == f"{HEALTHY}\n", 30, "a good healthcheck")
            yield container
        finally:
            follower.terminate()
            follower.wait(30)


def port(container: Container) -> int:
    return int(container.address().rpartition(":")[2])


def megabytes(container: Container, folder: str) -> int:
    """How much is used where the folder lies, files without a name included."""
    return int(container.sh(f"df --output=used -BM {folder} | tail -1").strip().removesuffix("M"))


def send_nearly_all(request: HalfSent) -> None:
    """95 MB, or as much as is taken."""
    with suppress(OSError):
        for _ in range(95):
            request.send(MEGABYTE)


@pytest.mark.parametrize(
    ("path", "auth", "length", "statuses"),
    [
        ("/invoke/hello_world", CALLER, 95_000_001, {405: LIMIT, 503: AT_ONCE - LIMIT}),
        ("/invoke/hello_world", CALLER, None, {405: LIMIT, 503: AT_ONCE - LIMIT}),
        ("/healthz", None, 95_000_001, {405: AT_ONCE}),
        ("/healthz", None, None, {405: AT_ONCE}),
        ("/invoke/hello_world", None, 95_000_001, {401: AT_ONCE}),
    ],
    ids=["the API user", "the API user, in chunks", "nobody", "nobody, in chunks", "nobody, to the API"],
)
def test_many_large_bodies_at_once_fill_no_memory(
    small: Container,
    health: Path,
    path: str,
    auth: tuple[str, str] | None,
    length: int | None,
    statuses: dict[int, int],
) -> None:
    before = megabytes(small, "/run")
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
        requests = [stack.enter_context(HalfSent(port(small), path, length, auth)) for _ in range(AT_ONCE)]
        list(pool.map(send_nearly_all, requests))
        during = megabytes(small, "/run")
        for request in requests:
            with suppress(OSError):
                request.send(b"x")
        answers = Counter(pool.map(status, requests))

    assert answers == statuses
    assert during - before < 10
    assert_is_well(small, health)
    assert small.get("/process/status").json()["kernel_deaths"] == 0
    assert small.get("/invoke/hello_world", auth=CALLER).status_code == 200


def status(request: HalfSent) -> int:
    with suppress(OSError):
        return request.finish()
    return request.status()


def test_idle_connections_and_half_requests_keep_nobody_out(small: Container, health: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Not by the published port: the engine's own proxy would have to hold all of them.
    address = (small.inspect("{{.NetworkSettings.Networks.bridge.IPAddress}}"), small.port)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for number in range(6000):
            connection = stack.enter_context(socket.create_connection(address, 60))
            if number >= 2000:
                connection.sendall(HALF_REQUEST)

        slowest = max(seconds(small) for _ in range(50))

    print(f"slowest of 50 calls beside 2,000 idle connections and 4,000 half requests: {slowest:.3f} s")
    assert_is_well(small, health)


def assert_is_well(container: Container, health: Path) -> None:
    """Neither was its memory full, nor has it been unhealthy since it was well first."""
    assert container.inspect("{{.State.OOMKilled}}") == "false"
    assert health.read_text() == f"{HEALTHY}\n"


def seconds(container: Container) -> float:
    """How long a call of the API took; it must be answered."""
    start = time.monotonic()
    assert container.get("/invoke/hello_world", auth=CALLER).status_code == 200
    return time.monotonic() - start
