"""What is in the image, and what is not."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.image.container import REVISION, ROOT, VERSION, Container, docker
from tests.image.jupyter import Kernel

BASE = "debian:trixie-slim"
LARGEST = 330_000_000  # bytes that the image adds to its base


@pytest.fixture(scope="module")
def configuration(image: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]["Config"]
    return result


def size(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def test_what_it_adds_to_its_base_is_small(image: str) -> None:
    assert size(image) - size(BASE) <= LARGEST


def test_it_says_how_it_is_run(configuration: dict[str, Any]) -> None:
    assert configuration["User"] == "1000:0"
    assert list(configuration["ExposedPorts"]) == ["8080/tcp"]
    assert list(configuration["Volumes"]) == ["/notebook"]
    assert configuration["StopSignal"] == "SIGTERM"
    assert configuration["Healthcheck"]["Test"][0] == "CMD"
    assert not [variable for variable in configuration["Env"] if "PASSWORD" in variable]


def test_it_has_the_labels_that_registries_show(configuration: dict[str, Any]) -> None:
    labels = configuration["Labels"]

    for name in ("title", "description", "version", "revision", "base.name"):
        assert labels[f"org.opencontainers.image.{name}"]


def test_its_metrics_say_what_was_built(shared_container: Container) -> None:
    metrics = shared_container.request("GET", "/process/metrics").text
    (build,) = [line for line in metrics.splitlines() if line.startswith("notebook_api_build_info{")]
    assert f'version="{VERSION}"' in build
    assert f'revision="{REVISION}"' in build


def test_it_holds_what_the_allow_list_names_and_no_file_of_development(shared_container: Container) -> None:
    assert shared_container.sh("ls -A /app").split() == ["conf", "control", "gateway", "notebook"]
    assert shared_container.sh("find /app -name tests -o -name '.*'") == ""


def test_no_compiler_cache_or_package_list_is_left(shared_container: Container) -> None:
    for command in ("gcc", "cc", "make", "uv", "git", "curl"):
        assert shared_container.sh(f"command -v {command} || true") == "", command
    assert shared_container.sh("ls /var/lib/apt/lists /var/cache/apt; find /var/log -type f") == (
        "/var/cache/apt:\n\n/var/lib/apt/lists:\n"
    )
    assert shared_container.sh("ls -d /wheels /build /requirements.txt 2>/dev/null || true") == ""


def test_its_user_can_change_nothing_but_the_volume_and_what_is_for_the_moment(
    shared_container: Container,
) -> None:
    writable = shared_container.sh(
        "find / -xdev -writable ! -type l 2>/dev/null | grep -vE '^/(proc|sys|dev)(/|$)' || true"
    )

    assert [path for path in writable.split() if not re.match(r"/(notebook|run|tmp|var/tmp)(/|$)", path)] == []


def test_everything_is_compiled_so_that_a_read_only_start_is_quick(shared_container: Container) -> None:
    code = """
import importlib.util, pathlib
roots = [pathlib.Path("/app/control"), pathlib.Path("/app/gateway"), pathlib.Path("/opt/venv/lib")]
sources = [path for root in roots for path in root.rglob("*.py") if "/templates/" not in str(path)]
missing = [str(p) for p in sources if not pathlib.Path(importlib.util.cache_from_source(p)).exists()]
print(missing[:5], len(sources))
"""
    missing, count = shared_container.python(code).rsplit(" ", 1)

    assert missing == "[]"
    assert int(count) > 1000


@pytest.mark.parametrize("page", ["tree", "lab", "notebooks/hello_world/server.ipynb"])
def test_jupyters_pages_find_all_their_scripts(shared_container: Container, page: str) -> None:
    html = shared_container.get(f"/jupyter/{page}")
    assert html.status_code == 200

    scripts = re.findall(r'(?:src|href)="(/jupyter/[^"]+\.(?:js|css)[^"]*)"', html.text)

    assert scripts
    assert {path: shared_container.get(path).status_code for path in scripts} == dict.fromkeys(scripts, 200)


def test_completion_in_a_notebook_still_works(shared_container: Container) -> None:
    code = """
from IPython.core.completer import provisionalcompleter
def complete(text):
    with provisionalcompleter():
        return {found.text for found in get_ipython().Completer.completions(text, len(text))}
print(complete("import requests; requests.ge"), complete("import pathlib; pathlib.Path().wri"))
"""
    with Kernel(shared_container) as kernel:
        result = kernel.run(code)

    assert "'get'" in result
    assert "'write_text'" in result


def test_the_dockerfile_is_clean() -> None:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    process = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, timeout=60)

    assert (process.returncode, process.stdout) == (0, "")
