"""The life of a container by the Makefile's targets, in a copy of the tree."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.image.container import ROOT, TAG, docker
from tests.image.logs import find_unexpected_lines
from tests.support.stack import free_port

PASSWORD = "a $pass'word \"with everything"
SOURCES = ["Makefile", "Dockerfile", ".dockerignore", "docker-compose.yml", "requirements.txt"]
FOLDERS = ["conf", "control", "gateway", "notebook"]


class Tree:
    """A copy of what the targets use, with a compose project and a port of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.project = f"test-{secrets.token_hex(4)}"
        self.port = free_port()
        for name in SOURCES:
            shutil.copy(ROOT / name, path)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, path / name)

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "COMPOSE_PROJECT_NAME": self.project,
            "IMAGE": f"{TAG}-compose",
            "PORT": str(self.port),
        }
        return subprocess.run(
            command, cwd=self.path, env=environment, input=stdin, capture_output=True, text=True, timeout=300
        )

    def make(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        process = self.run("make", *arguments, stdin=stdin)
        assert process.returncode == status, process.stdout + process.stderr
        return process.stdout + process.stderr

    def get(self, path: str, password: str = PASSWORD) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://127.0.0.1:{self.port}{path}", auth=("hasura", password), timeout=120)

    def containers(self) -> list[str]:
        return docker("ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={self.project}").split()

    def volumes(self) -> list[str]:
        return docker("volume", "ls", "--quiet", f"--filter=label=com.docker.compose.project={self.project}").split()


@pytest.fixture
def tree(image: str, tmp_path: Path) -> Iterator[Tree]:
    tree = Tree(tmp_path)
    yield tree
    tree.run("docker", "compose", "down", "--volumes", "--timeout=1")


def test_up_status_logs_down_and_up_again(tree: Tree) -> None:
    output = tree.make("up", f"PASSWORD={PASSWORD}")
    assert f"address   http://127.0.0.1:{tree.port}/" in output
    assert PASSWORD not in output
    assert tree.get("/").status_code == 200

    status = tree.make("status")
    assert "(healthy)" in status
    assert f"http://127.0.0.1:{tree.port}/" in status

    log = tree.make("logs")
    assert "supervisord | " in log
    assert PASSWORD not in log
    assert find_unexpected_lines(log) == []
    assert tree.get("/process/start?notebook=hello_world").status_code == 200
    (container,) = tree.containers()
    page = tree.get("/process/logs").text.splitlines()
    docker_logs = tree.run("docker", "logs", container)
    lines = (docker_logs.stdout + docker_logs.stderr).splitlines()
    assert page
    assert set(page) <= {line.partition(" | ")[2] for line in lines}, "docker logs has them, after their program's name"
    log = tree.make("logs")
    assert set(lines) <= set(log.splitlines())
    api, _, others = log.partition("\n\n")
    labels = ("hello_world/blue | ", "hello_world/green | ")
    assert all(line.startswith(labels) for line in api.splitlines()), "what the API printed comes first"
    assert not any(line.startswith(labels) for line in others.splitlines())
    assert tree.get("/", "another-password").status_code == 401

    assert "make up" in tree.make("down")
    assert tree.containers() == []
    assert len(tree.volumes()) == 1
    assert "Not running" in tree.make("status")

    tree.make("up")
    assert tree.get("/").status_code == 200, "the password is kept for later starts"
    assert tree.run("docker", "compose", "up", "--detach").returncode == 0
    assert tree.get("/").status_code == 200, "docker compose without make finds it too"


def test_delete_asks_before_it_removes_the_notebooks(tree: Tree) -> None:
    tree.make("up", "PASSWORD=a-long-password")

    for answer in ("", "no\n", "y\n"):
        assert "Nothing was removed" in tree.make("delete", stdin=answer, status=2)
    assert len(tree.containers()) == 1
    assert len(tree.volumes()) == 1

    assert "Removed" in tree.make("delete", stdin="yes\n")
    assert tree.containers() == []
    assert tree.volumes() == []


def test_without_a_password_one_is_made_up_and_printed(tree: Tree) -> None:
    result = re.search(r"^password  (\S+)", tree.make("up"), re.M)

    assert result
    assert f"password  {result[1]}" in tree.make("logs")
    assert tree.get("/", result[1]).status_code == 200


def test_a_password_that_is_refused_leaves_nothing_running_and_says_why(tree: Tree) -> None:
    output = tree.make("up", "PASSWORD=short", status=2)

    assert "holds a password of 5 characters" in output
    assert docker("ps", "--quiet", f"--filter=label=com.docker.compose.project={tree.project}") == ""


def test_nobody_else_on_the_host_can_read_the_password_and_git_ignores_it(tree: Tree) -> None:
    tree.make("up", "PASSWORD=a-long-password")

    assert (tree.path / ".secrets").stat().st_mode & 0o777 == 0o700
    process = subprocess.run(["git", "check-ignore", ".secrets/password", ".env"], cwd=ROOT, capture_output=True)
    assert process.returncode == 0


def test_the_service_is_hardened_and_starts_again_by_itself(tree: Tree) -> None:
    tree.make("up", "PASSWORD=a-long-password")
    [container] = tree.containers()

    template = (
        "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
        " {{.HostConfig.RestartPolicy.Name}}"
    )
    assert docker("inspect", "--format", template, container).strip() == (
        "true [ALL] [no-new-privileges:true] unless-stopped"
    )
