"""The shared environment: laid over the product's, first for what is installed in it, seen by nobody else."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from control.config.settings import Settings
from control.environments.environment import Environment
from control.environments.shared import create_shared, find_shared

FIND = "import sys, importlib.util; print(importlib.util.find_spec(sys.argv[1]).origin)"


@pytest.fixture(params=["image", "make run"])
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    for name in ("run", "notebooks"):
        (tmp_path / name).mkdir()
    settings = Settings.from_env({"NOTEBOOK_DIR": str(tmp_path / "notebooks")})
    home = tmp_path / "notebooks" / ".home" if request.param == "image" else None
    return replace(settings, run_dir=tmp_path / "run", home_dir=home)


@pytest.fixture
def environment(settings: Settings) -> Environment:
    assert create_shared(settings)
    return find_shared(settings)


def install(environment: Environment, module: str) -> Path:
    """What `pip install` of a package with one module would do."""
    path = environment.site_packages / f"{module}.py"
    path.write_text("")
    return path


def origin(environment: Environment, module: str) -> str:
    """Where a kernel finds a module."""
    process = subprocess.run([environment.python, "-c", FIND, module], capture_output=True, text=True, check=True)
    return process.stdout.strip()


def test_kernels_see_the_packages_of_this_python(environment: Environment) -> None:
    assert origin(environment, "flask") == pytest.importorskip("flask").__file__


def test_what_is_installed_comes_first_for_kernels(environment: Environment) -> None:
    mine = install(environment, "flask")

    assert origin(environment, "flask") == str(mine)


def test_what_is_installed_stays_over_a_later_start(environment: Environment, settings: Settings) -> None:
    mine = install(environment, "greeting")

    create_shared(settings)

    assert origin(find_shared(settings), "greeting") == str(mine)


def test_the_python_of_an_earlier_image_is_replaced(environment: Environment, settings: Settings) -> None:
    links = [path for path in environment.bin.iterdir() if path.is_symlink()]
    assert links
    for link in links:
        link.unlink()
        link.symlink_to("/gone/python")

    create_shared(settings)

    assert all(link.exists() for link in links)
    assert origin(environment, "flask") == pytest.importorskip("flask").__file__


def test_pip_installs_there(environment: Environment) -> None:
    process = subprocess.run([environment.bin / "pip", "config", "debug"], capture_output=True, text=True)

    assert process.returncode == 0
    assert str(environment.path) in process.stdout


def test_the_kernel_is_the_environments_python(environment: Environment) -> None:
    variables = environment.variables({"PATH": "/bin", "JUPYTER_PATH": "/mine"})

    first, *_, last = variables["JUPYTER_PATH"].split(":")
    spec = json.loads((Path(first) / "kernels" / "python3" / "kernel.json").read_text())
    assert spec["argv"][0] == str(environment.python)
    assert last == "/mine"
    assert variables["PATH"] == f"{environment.bin}:/bin"


def test_a_place_that_cannot_be_written_to_is_replaced_and_what_is_installed_in_it_still_seen(
    environment: Environment, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = install(environment, "greeting")
    create = Environment.create

    def refuse(self: Environment, layers: Sequence[Path] = ()) -> None:
        if not self.path.is_relative_to(settings.run_dir):
            raise PermissionError(13, "Read-only file system")
        create(self, layers)

    monkeypatch.setattr(Environment, "create", refuse)

    assert not create_shared(settings)

    substitute = find_shared(settings)
    assert substitute.path.is_relative_to(settings.run_dir)
    assert origin(substitute, "greeting") == str(mine)
