"""A project with a `requirements.txt` has an environment of its own, made once, and never used before it is whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from control.config.errors import CancelledStart, NotebookFailure, NotReady, StorageError
from control.config.settings import Settings
from control.environments.environment import Environment
from control.environments.project_environments import ProjectEnvironments
from control.environments.shared import create_shared, find_shared
from control.projects.catalog import Project
from tests.support.notebooks import notebook_text
from tests.support.packages import make_wheel
from tests.support.waiting import eventually

# A backend of the package's own, so that pip installs none first (PEP 517).
PYPROJECT = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']"
BACKEND = "import os, sys, time\ndef build_wheel(folder, *_):\n    "
# Sleeps for longer than any test, which ends it: by a kill, a stop or the time limit.
ENDLESS = "open('pid', 'w').write(str(os.getpid())); time.sleep(600)"


class Shop:
    """A project whose requirements are installed from a folder beside its notebook, without network."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.notebook_dir / "shop"
        self.folder.mkdir()
        self.project = Project("shop", self.folder / "server.ipynb")
        self.project.notebook.write_text(notebook_text([]))
        self.lines: list[str] = []
        self.environments = ProjectEnvironments(settings, self.lines.append)

    def require(self, text: str) -> None:
        (self.folder / "requirements.txt").write_text(f"--no-index\n--find-links ./wheels\n{text}")

    def offer(self, name: str, code: str, version: str = "1.0", **more: str) -> None:
        make_wheel(self.folder / "wheels", name, code, version, **more)

    def require_build(self, code: str) -> None:
        """Require a package that this code builds."""
        folder = self.folder / "source"
        folder.mkdir(exist_ok=True)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "backend.py").write_text(BACKEND + code)
        self.require("./source")

    def build(self) -> int | None:
        """The process of an endless build, once it has begun."""
        file = self.folder / "source" / "pid"
        return int(file.read_text() or 0) if file.exists() else None

    def provide(self, check: Callable[[], None] = lambda: None) -> Environment:
        return self.environments.provide(self.project, check)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("run", "notebooks"):
        (tmp_path / name).mkdir()
    settings = replace(Settings.from_env({"NOTEBOOK_DIR": str(tmp_path / "notebooks")}), run_dir=tmp_path / "run")
    create_shared(settings)
    return settings


@pytest.fixture
def shop(settings: Settings) -> Shop:
    shop = Shop(settings)
    shop.offer("greeting", "text = 'Hello'")
    shop.offer("greeting", "text = 'Good evening'", "2.0")
    return shop


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def evaluate(environment: Environment, module: str, expression: str) -> str:
    """What an expression on a module is for a kernel in this environment."""
    command = [environment.python, "-c", f"import {module}; print({module}.{expression})"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def packages(environment: Environment) -> set[str]:
    """What is installed in it itself."""
    return {path.name for path in environment.site_packages.glob("*.dist-info")}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_project_without_requirements_has_the_shared_environment(shop: Shop, settings: Settings) -> None:
    assert shop.provide().path == find_shared(settings).path


def test_two_versions_of_one_package_are_installed_once_each(shop: Shop) -> None:
    shop.require("greeting==1.0")
    first = shop.provide()
    shop.require("greeting>=2")
    second = shop.provide()

    assert evaluate(first, "greeting", "text") == "Hello"
    assert evaluate(second, "greeting", "text") == "Good evening"
    assert "greeting==2.0" in (second.path / "packages.txt").read_text()
    assert "[pip] Successfully installed greeting-2.0" in shop.lines
    shop.lines.clear()
    start = time.perf_counter()
    shop.provide()
    assert time.perf_counter() - start < 0.1
    assert shop.lines == []


def test_what_the_product_has_is_not_installed_again_but_in_another_version_comes_first(shop: Shop) -> None:
    shop.offer("jsonpointer", "text = 'mine'", "1.0")
    shop.offer("shopping", "def main():\n    print('works')", requires="jinja2", script="shopping:main")
    shop.require("jsonpointer<2\nflask\nshopping")

    environment = shop.provide()

    assert packages(environment) == {"jsonpointer-1.0.dist-info", "shopping-1.0.dist-info"}
    assert evaluate(environment, "jsonpointer", "text") == "mine"
    script = subprocess.run([environment.bin / "shopping"], capture_output=True, text=True, check=True)
    assert script.stdout == "works\n"
    resolved = (environment.path / "packages.txt").read_text().lower().splitlines()
    assert "jsonpointer==1.0" in resolved
    assert any(line.startswith("jinja2==") for line in resolved)


def test_a_change_in_a_file_that_the_requirements_include_counts(shop: Shop) -> None:
    shop.require("-r more.txt\n-c limits.txt")
    (shop.folder / "more.txt").write_text("greeting\n-r requirements.txt")
    (shop.folder / "limits.txt").write_text("greeting<2")
    before = shop.environments.find(shop.project)

    (shop.folder / "limits.txt").write_text("greeting<3")

    assert shop.environments.find(shop.project).path != before.path


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("no-such-package-here", "No matching distribution found for no-such-package-here"),
        ("greeting==3.0", "No matching distribution found for greeting==3.0"),
        ("greeting=1.0", "Invalid requirement: 'greeting=1.0'"),
    ],
)
def test_what_cannot_be_installed_is_an_error_with_the_installers_words(
    shop: Shop, requirement: str, words: str
) -> None:
    shop.require(requirement)

    with pytest.raises(NotebookFailure) as error:
        shop.provide()

    assert str(error.value).startswith("shop does not run: its packages cannot be installed: ")
    assert words in str(error.value)
    assert not shop.environments.find(shop.project).python.exists()


def test_a_build_that_fails_is_an_error_with_its_output(shop: Shop) -> None:
    shop.require_build("sys.exit('the compiler is missing')")

    with pytest.raises(NotebookFailure) as error:
        shop.provide()

    assert "shop does not run: its packages cannot be installed: " in str(error.value)
    assert "the compiler is missing" in error.value.error["traceback"]
    assert any("the compiler is missing" in line for line in shop.lines)


def test_requirements_that_cannot_be_read_are_an_error_that_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.require("greeting")
    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(NotebookFailure, match=r"its requirements.txt cannot be read: Permission denied"):
        shop.provide()


def refuse(path: Path) -> bytes:
    raise PermissionError(13, "Permission denied", str(path))


def test_two_starts_at_once_make_one(shop: Shop, settings: Settings, pool: ThreadPoolExecutor) -> None:
    shop.require("greeting")
    other = ProjectEnvironments(settings, shop.lines.append)

    both = [pool.submit(each.provide, shop.project) for each in (shop.environments, other)]

    assert {evaluate(each.result(60), "greeting", "text") for each in both} == {"Good evening"}
    assert shop.lines.count("[pip] Installing the packages of shop.") == 1


def test_a_stop_ends_the_installation_at_once(shop: Shop, pool: ThreadPoolExecutor) -> None:
    shop.require_build(ENDLESS)
    is_stopped = False

    def check() -> None:
        if is_stopped:
            raise CancelledStart

    start: Future[Environment] = pool.submit(shop.provide, check)
    build = eventually(shop.build, 30, "the build")
    assert shop.environments.busy == "Installing the packages of shop."

    is_stopped = True

    with pytest.raises(CancelledStart):
        start.result(5)
    eventually(lambda: not is_running(build), 5, "the end of the build")
    assert shop.environments.busy is None


def test_an_installation_that_takes_too_long_is_ended(shop: Shop) -> None:
    shop.require_build(ENDLESS)
    shop.environments.settings = replace(shop.environments.settings, install_timeout=2)

    with pytest.raises(NotReady, match="shop were not installed within 2 s"):
        shop.provide()

    build = shop.build()
    eventually(lambda: build is None or not is_running(build), 5, "the end of the build")


def test_what_a_killed_start_has_left_is_not_used(shop: Shop, settings: Settings) -> None:
    shop.require_build(ENDLESS)
    half_made = shop.environments.find(shop.project)
    code = f"""
from pathlib import Path
from control.config.settings import Settings
from control.environments.project_environments import ProjectEnvironments
from control.projects.catalog import Project
settings = Settings.from_env({{"NOTEBOOK_DIR": {str(settings.notebook_dir)!r}, "RUN_DIR": "/tmp/r"}})
ProjectEnvironments(settings, print).provide(Project("shop", Path({str(shop.project.notebook)!r})))
"""
    start = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    build = eventually(shop.build, 30, "the build")
    start.kill()
    start.wait()
    assert half_made.python.exists()
    (half_made.site_packages / "greeting.py").write_text("text = 'half made'")
    (shop.folder / "source" / "backend.py").write_text(BACKEND + "sys.exit('it failed')")
    os.kill(build, signal.SIGKILL)  # so that pip ends, which holds the lock

    with pytest.raises(NotebookFailure):
        shop.provide()

    assert not half_made.site_packages.exists()


def test_a_full_disk_is_an_error_that_says_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.require("greeting")

    def fill(environment: Environment) -> None:
        (environment.path / "bin").mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Environment, "create", fill)

    with pytest.raises(StorageError, match="cannot be written: No space left on device"):
        shop.provide()

    assert not shop.environments.find(shop.project).bin.exists()


def test_what_ruins_an_environment_is_removed_when_that_is_made_anew(shop: Shop, settings: Settings) -> None:
    mine = find_shared(settings).site_packages / "tornado.py"
    mine.write_text("")
    shop.environments.renew(shop.project)
    assert find_shared(settings).python.exists()
    assert not mine.exists()

    shop.require("# nothing")
    own = shop.environments.find(shop.project)
    own.create()
    shop.environments.renew(shop.project)
    assert not own.python.exists()


def test_environments_that_no_project_names_are_removed_unless_they_are_used(shop: Shop, settings: Settings) -> None:
    made = {}
    for name in ("old", "kept", "used", "running", "named"):
        shop.require(f"# {name}")
        environment = made[name] = shop.environments.find(shop.project)
        environment.create()
    command = [made["running"].python, "-c", "input('ready')"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.read(1)

    shop.environments.remove_unused([str(made["used"].path), str(made["kept"].path)])

    assert {name for name, environment in made.items() if not environment.path.exists()} == {"old"}
    assert find_shared(settings).path.exists()
    process.communicate(b"\n")
    assert any(str(made["old"].path) in line for line in shop.lines)
