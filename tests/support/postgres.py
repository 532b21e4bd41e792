"""A real PostgreSQL with pgvector: in a container where an engine answers, else from the machine's Debian packages."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.image.container import LABEL, docker
from tests.support.stack import free_port
from tests.support.waiting import eventually

START_SECONDS = 60
TAG = "notebook-api-postgres:test"
SPEED = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]  # nothing is to survive
DOCKERFILE = """
FROM debian:trixie-slim
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql-17-pgvector \\
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/tmp/data
USER postgres
RUN initdb --auth=trust --encoding=UTF8 --locale=C.UTF-8 && echo "host all all all trust" >>$PGDATA/pg_hba.conf
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres", "-c", "listen_addresses=*", "-c", "unix_socket_directories=/tmp"]
"""


@contextmanager
def postgres() -> Iterator[str]:
    """A server of one's own with an empty database; its address for `psycopg.connect`."""
    if _engine_answers():
        server = _in_a_container()
    elif programs := _programs():
        server = _on_this_machine(programs)
    elif os.environ.get("CI") == "true":
        pytest.fail("no Docker engine answers and Debian's pgvector is not installed; CI needs one: .ci/docker-engine")
    else:
        pytest.skip("needs a Docker engine (.ci/docker-engine) or Debian's package postgresql-…-pgvector")
    with server as address:
        eventually(lambda: _accepts(address), START_SECONDS, "a PostgreSQL that accepts connections")
        yield address


def _accepts(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _engine_answers() -> bool:
    try:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextmanager
def _in_a_container() -> Iterator[str]:
    docker("build", "--quiet", f"--tag={TAG}", "-", stdin=DOCKERFILE)  # from its cache, but for the first time
    name = f"notebook-api-test-{secrets.token_hex(4)}"
    try:
        docker("run", "--detach", f"--name={name}", f"--label={LABEL}", "--publish=127.0.0.1::5432", TAG, *SPEED)
        host, _, port = docker("port", name, "5432").splitlines()[0].rpartition(":")
        yield f"host={host} port={port} user=postgres dbname=postgres"
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def _programs() -> Path | None:
    """Where the server's programs are, of the newest release that has pgvector."""
    versions = [path.parents[1].name for path in Path("/usr/share/postgresql").glob("*/extension/vector.control")]
    return Path("/usr/lib/postgresql", max(versions, key=int), "bin") if versions else None


@contextmanager
def _on_this_machine(programs: Path) -> Iterator[str]:
    user = "postgres" if os.geteuid() == 0 else None  # the server does not run as root
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg") as home:
        if user:
            shutil.chown(home, user)
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}", "-c", f"port={port}"]
        make = [programs / "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"]
        subprocess.run([*make, "-D", f"{home}/data"], user=user, cwd=home, timeout=START_SECONDS, check=True)
        popen = subprocess.Popen([programs / "postgres", "-D", f"{home}/data", *listen, *SPEED], user=user, cwd=home)
        try:
            yield f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
        finally:
            popen.send_signal(signal.SIGINT)  # do not wait for clients
            try:
                popen.wait(10)
            finally:
                popen.kill()
