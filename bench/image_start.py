"""Start time of a container: `python bench/image_start.py [image]`, after `make image`.

Measures from `docker run`, on an empty volume, to the first 200 of `/healthz`, and with SERVE=hello_world
to the first 200 of `/invoke/hello_world`; five times each, with a local image.
"""

import os
import secrets
import statistics
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException

RUNS = 5
POLL = 0.02  # seconds between two requests
TIMEOUT = 60  # seconds
TARGETS = {"/healthz": ([], 4.0), "/invoke/hello_world": (["--env=SERVE=hello_world"], 6.0)}
# "hasura:measured-password"
AUTHORIZATION = {"Authorization": "Basic aGFzdXJhOm1lYXN1cmVkLXBhc3N3b3Jk"}
OPTIONS = ["--detach", "--publish=127.0.0.1::8080", "--env=NOTEBOOK_PASSWORD=measured-password"]


def main() -> None:
    """Measure and print; exits with 1 where a median is over its target."""
    image = sys.argv[1] if len(sys.argv) > 1 else "notebook-api"
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    is_late = False
    for path, (options, target) in TARGETS.items():
        seconds = [measure(image, path, options) for _ in range(RUNS)]
        median = statistics.median(seconds)
        is_late |= median > target
        runs = " ".join(f"{value:.2f}" for value in sorted(seconds))
        print(f"{path:22} median {median:.2f} s (at most {target:.0f} s) of {runs}")
    sys.exit(is_late)


def measure(image: str, path: str, options: list[str]) -> float:
    """Seconds from `docker run` to the first 200 of `path`."""
    name = f"notebook-api-bench-{secrets.token_hex(4)}"
    began = time.monotonic()
    try:
        docker("run", f"--name={name}", *OPTIONS, *options, image)
        port = int(docker("port", name, "8080").splitlines()[0].rpartition(":")[2])
        while not is_up(port, path):
            if time.monotonic() - began > TIMEOUT:
                sys.exit(f"no 200 from {path} within {TIMEOUT} s:\n{docker('logs', name)}")
            time.sleep(POLL)
        return time.monotonic() - began
    finally:
        docker("rm", "--force", "--volumes", name)


def is_up(port: int, path: str) -> bool:
    """Whether the response to a GET has status 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=AUTHORIZATION)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def docker(*arguments: str) -> str:
    """The command's stdout."""
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
