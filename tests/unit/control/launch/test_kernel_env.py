"""The environment of kernels: laid over another, first for what is installed in it, seen by nobody else."""

import json
import subprocess
from pathlib import Path

import pytest

from control.launch import kernel_env

FIND = "import sys, importlib.util; print(importlib.util.find_spec(sys.argv[1]).origin)"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "notebooks" / ".home"


def install(home: Path, module: str) -> Path:
    """What `pip install` of a package with one module would do."""
    path = kernel_env.site_packages(home / "packages") / f"{module}.py"
    path.write_text("")
    return path


def origin(home: Path, module: str) -> str:
    """Where a kernel finds a module."""
    python = home / "packages" / "bin" / "python"
    done = subprocess.run([python, "-c", FIND, module], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def spec(variables: dict[str, str]) -> dict[str, object]:
    """The kernel that Jupyter and the gateway find first."""
    [first, *_] = variables["JUPYTER_PATH"].split(":")
    found: dict[str, object] = json.loads((Path(first) / "kernels" / "python3" / "kernel.json").read_text())
    return found


def test_kernels_see_the_packages_of_this_python(home: Path, run_dir: Path) -> None:
    kernel_env.prepare(home, run_dir)

    assert origin(home, "flask") == pytest.importorskip("flask").__file__


def test_what_is_installed_comes_first_for_kernels(home: Path, run_dir: Path) -> None:
    kernel_env.prepare(home, run_dir)
    mine = install(home, "flask")

    assert origin(home, "flask") == str(mine)


def test_what_is_installed_stays_over_a_later_start(home: Path, run_dir: Path, tmp_path: Path) -> None:
    kernel_env.prepare(home, run_dir)
    mine = install(home, "greeting")
    (tmp_path / "next").mkdir()

    kernel_env.prepare(home, tmp_path / "next")

    assert origin(home, "greeting") == str(mine)


def test_the_python_of_an_earlier_image_is_replaced(home: Path, run_dir: Path, tmp_path: Path) -> None:
    kernel_env.prepare(home, run_dir)
    links = [path for path in (home / "packages" / "bin").iterdir() if path.is_symlink()]
    assert links
    for link in links:
        link.unlink()
        link.symlink_to("/gone/python")
    (tmp_path / "next").mkdir()

    kernel_env.prepare(home, tmp_path / "next")

    assert all(link.exists() for link in links)
    assert origin(home, "flask") == pytest.importorskip("flask").__file__


def test_pip_installs_there(home: Path, run_dir: Path) -> None:
    kernel_env.prepare(home, run_dir)

    done = subprocess.run([home / "packages" / "bin" / "pip", "config", "debug"], capture_output=True, text=True)

    assert done.returncode == 0
    assert str(home / "packages") in done.stdout


def test_the_kernel_is_the_environments_python(home: Path, run_dir: Path) -> None:
    variables = kernel_env.prepare(home, run_dir)

    found = spec(variables)

    assert found["argv"][0] == str(home / "packages" / "bin" / "python")  # type: ignore[index]
    assert found["env"]["PATH"] == f"{home / 'packages' / 'bin'}:${{PATH}}"  # type: ignore[index]
    assert variables["HOME"] == str(home)


def test_a_home_that_cannot_be_written_to_is_replaced_and_what_is_installed_in_it_still_seen(
    home: Path, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_env.prepare(home, run_dir)
    mine = install(home, "greeting")
    make = kernel_env.create_environment

    def refuse(path: Path, layers: list[Path]) -> None:
        if path.is_relative_to(home):
            raise PermissionError(13, "Read-only file system")
        make(path, layers)

    monkeypatch.setattr(kernel_env, "create_environment", refuse)
    (tmp_path / "next").mkdir()
    variables = kernel_env.prepare(home, tmp_path / "next")

    assert variables["HOME"] == str(tmp_path / "next" / "home")
    assert origin(tmp_path / "next" / "home", "greeting") == str(mine)
