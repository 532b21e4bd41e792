"""Launch: what the run directory holds, and what the programs inherit."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from control.config.settings import SettingError, Settings
from control.launch import launch
from control.launch.configuration import LOCK_FILE, prepare_run_dir
from control.launch.credentials import VARIABLES, Credentials, User
from control.tools.api import RESTARTING
from tests.support.stack import free_port
from tests.support.users import ordinary_user

OWNER = User("ada", "the owner's password")
CALLER = User("hook", "the caller's password")
DOWN = re.compile(r'"message": "([^"]+)", "extensions": {"code": "restarting"')
BOTH = Credentials(OWNER, CALLER, generated=False)
ALONE = Credentials(OWNER, None, generated=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # RUN_DIR is checked against the length of socket paths; nothing listens here.
    short = Settings.from_env({"RUN_DIR": "/tmp/r", "PORT": "18080"})  # noqa: S108
    run_dir = tmp_path / "run"
    return Settings(**{**vars(short), "run_dir": run_dir, "body_dir": run_dir / "bodies", "notebook_dir": tmp_path})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_run_directory_is_private(settings: Settings) -> None:
    prepare_run_dir(settings, BOTH)

    assert mode(settings.run_dir) == 0o700
    for name in ("htpasswd", "htpasswd-api", "nginx.conf", "supervisord.conf"):
        assert mode(settings.run_dir / name) == 0o600


def test_a_folder_with_somebody_elses_files_is_refused_and_left_alone(settings: Settings) -> None:
    settings.run_dir.mkdir()
    thesis = settings.run_dir / "thesis.txt"
    thesis.write_text("years of work", encoding="utf-8")

    with pytest.raises(SettingError, match=r"RUN_DIR is .*not ours"):
        prepare_run_dir(settings, BOTH)

    assert thesis.read_text(encoding="utf-8") == "years of work"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "cors_origins": ("https://app.example", "https://" + "long" * 40),
            "trusted_proxies": ("10.0.0.0/8", "::1/128"),
        },
        {"cors_origins": ("*",), "trust_pages": True},
    ],
    ids=["as it is", "other origins and a proxy", "any origin and trusted pages"],
)
def test_nginx_accepts_the_rendered_configuration(settings: Settings, changes: dict[str, object]) -> None:
    prepare_run_dir(Settings(**{**vars(settings), **changes}), BOTH)  # type: ignore[arg-type]
    run_dir = str(settings.run_dir)
    command = ["nginx", "-t", "-q", "-e", "stderr", "-c", f"{run_dir}/nginx.conf", "-p", run_dir]

    process = subprocess.run(command, env={"PATH": launch.child_path()}, capture_output=True, text=True)

    assert (process.returncode, process.stderr) == (0, "")


def test_a_folder_for_bodies_that_cannot_be_written_to_is_replaced_with_a_warning(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    usable = Settings(**{**vars(settings), "body_dir": tmp_path / "volume" / "bodies"})
    assert launch.resolve_body_dir(usable).body_dir == usable.body_dir
    (tmp_path / "file").touch()
    unusable = Settings(**{**vars(settings), "body_dir": tmp_path / "file" / "bodies"})

    fallback = launch.resolve_body_dir(unusable)

    assert fallback == settings
    assert "warning: BODY_DIR is" in capfd.readouterr().out
    prepare_run_dir(fallback, BOTH)
    assert settings.body_dir.is_dir()


@pytest.fixture
def volume() -> Iterator[Path]:
    """Projects that this user can write to, and those of a user whose volume it was before."""
    folder = Path(tempfile.mkdtemp())  # others may not enter pytest's own folders
    folder.chmod(0o777)
    for name, folder_mode, notebook_mode in (("own", 0o777, 0o666), ("file", 0o777, 0o444), ("folder", 0o555, 0o666)):
        project = folder / name
        project.mkdir()
        (project / "server.ipynb").write_text("{}")
        (project / "server.ipynb").chmod(notebook_mode)
        project.chmod(folder_mode)
    yield folder
    shutil.rmtree(folder)


def test_projects_that_cannot_be_saved_are_named_with_their_owner_and_what_to_do(
    settings: Settings, volume: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ordinary_user() as user:
        launch.prepare_notebooks(replace(settings, notebook_dir=volume))

    (line,) = capfd.readouterr().out.splitlines()
    assert line == (
        f"warning: NOTEBOOK_DIR is '{volume}': user {user} cannot save the notebooks of these projects, which belong "
        f"to user {os.getuid()}: file, folder. If that is not meant, run as root: chown -R {user} {volume}"
    )


def test_a_long_list_of_projects_that_cannot_be_saved_is_cut(
    settings: Settings, volume: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "MAX_NAMES", 1)

    with ordinary_user():
        launch.prepare_notebooks(replace(settings, notebook_dir=volume))

    assert ": file and 1 more. If" in capfd.readouterr().out


def test_projects_that_can_be_saved_are_no_reason_for_a_warning(
    settings: Settings, volume: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    launch.prepare_notebooks(replace(settings, notebook_dir=volume / "own"))

    assert capfd.readouterr().out == ""


def test_packages_that_will_not_last_are_told_of(
    settings: Settings, volume: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    prepare_run_dir(settings, BOTH)

    environment = launch.prepare_notebooks(replace(settings, notebook_dir=volume / "own", home_dir=Path("/proc/home")))

    assert environment["HOME"] == str(settings.run_dir / "home")
    assert "warning: HOME_DIR is '/proc/home'" in capfd.readouterr().out


def test_what_an_earlier_run_left_is_gone(settings: Settings) -> None:
    settings.run_dir.mkdir(mode=0o755)
    (settings.run_dir / LOCK_FILE).touch()
    (settings.run_dir / "last-error.json").write_text("{}", encoding="utf-8")
    (settings.run_dir / "blue").mkdir()
    (settings.run_dir / "blue" / "slot.json").write_text("{}", encoding="utf-8")
    (settings.run_dir / "api").symlink_to("blue")

    prepare_run_dir(settings, BOTH)

    assert mode(settings.run_dir) == 0o700
    assert not (settings.run_dir / "last-error.json").exists()
    assert not (settings.run_dir / "api").is_symlink()
    assert not (settings.run_dir / "blue" / "slot.json").exists()


def test_no_password_is_in_any_rendered_file(settings: Settings) -> None:
    prepare_run_dir(settings, BOTH)

    files = [path for path in settings.run_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert OWNER.password not in text
        assert CALLER.password not in text


def test_the_owner_is_in_both_password_files_and_the_caller_in_one(settings: Settings) -> None:
    prepare_run_dir(settings, BOTH)

    owner = (settings.run_dir / "htpasswd").read_text(encoding="utf-8")
    api = (settings.run_dir / "htpasswd-api").read_text(encoding="utf-8")
    assert [line.split(":")[0] for line in owner.splitlines()] == ["ada"]
    assert [line.split(":")[0] for line in api.splitlines()] == ["ada", "hook"]


def test_nginx_keeps_its_own_variables_and_listens_as_the_settings_say(settings: Settings) -> None:
    prepare_run_dir(settings, BOTH)

    text = (settings.run_dir / "nginx.conf").read_text(encoding="utf-8")
    assert "listen 127.0.0.1:18080;" in text
    assert "$http_host" in text
    assert "client_max_body_size 100m;" in text
    assert "{{" not in text


def test_a_run_directory_that_cannot_be_made_is_refused(settings: Settings) -> None:
    settings.run_dir.write_text("a file", encoding="utf-8")

    with pytest.raises(SettingError, match=r"RUN_DIR is .*: it cannot be used"):
        prepare_run_dir(settings, BOTH)


def test_a_run_directory_in_use_is_refused(settings: Settings) -> None:
    prepare_run_dir(settings, BOTH)  # keeps the lock for as long as this process lives

    with pytest.raises(SettingError, match="RUN_DIR is"):
        prepare_run_dir(settings, BOTH)


def test_programs_inherit_the_settings_and_no_credential(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "something secret")
    monkeypatch.setenv("SOMEBODYS_OWN", "kept")

    environment = launch.child_environment(settings)

    assert not set(VARIABLES) & set(environment)
    assert "something secret" not in environment.values()
    assert environment["SOMEBODYS_OWN"] == "kept"
    assert (environment["PORT"], environment["RUN_DIR"]) == ("18080", str(settings.run_dir))
    assert environment["JUPYTER_RUNTIME_DIR"].startswith(str(settings.run_dir))


def test_a_port_that_is_taken_is_refused_with_one_to_try(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        busy = Settings(**{**vars(settings), "port": port})

        with pytest.raises(SettingError, match=rf"PORT is {port} on 127.0.0.1.*PORT={port + 1}"):
            launch.check_port(busy)


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        ("shop,../x", r"SERVE has '../x': give names of projects"),
        ("/etc", "SERVE has '/etc'"),
        ("a\nb", r"SERVE has 'a\\nb'"),
        ("\udcff", "SERVE has"),
        ("shop,a/b,a.b", r"SERVE has a/b and a\.b: both would be at /apis/a\.b"),
    ],
)
def test_names_to_serve_that_no_project_can_have_or_that_meet_at_one_address_are_refused(
    settings: Settings, serve: str, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        launch.check_serve(replace(settings, serve=serve))


@pytest.mark.parametrize("serve", [None, " , ", "shop, shop,later", "n" * 300, ",".join(map(str, range(30)))])
def test_any_other_names_can_be_served(settings: Settings, serve: str | None) -> None:
    launch.check_serve(replace(settings, serve=serve))


def test_an_address_that_is_not_ours_is_refused(settings: Settings) -> None:
    foreign = Settings(**{**vars(settings), "bind_address": "192.0.2.1"})

    with pytest.raises(SettingError, match=r"192\.0\.2\.1"):
        launch.check_port(foreign)


def test_a_missing_nginx_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "child_path", lambda: str(tmp_path))

    with pytest.raises(SettingError, match="apt-get install nginx"):
        launch.check_nginx()


def test_a_stdout_that_is_closed_becomes_dev_null_and_not_another_file() -> None:
    code = (
        "import os; from control.launch.launch import open_standard_streams; os.close(0); os.close(1);"
        "open_standard_streams(); os.write(2, os.readlink('/proc/self/fd/1').encode())"
    )

    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (process.returncode, process.stderr) == (0, "/dev/null")


def test_a_stdout_that_nobody_reads_any_more_is_no_reason_not_to_start() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    code = "from control.launch.launch import say; import os; say('nobody reads this'); os._exit(0)"

    process = subprocess.run([sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, text=True)

    os.close(write_end)
    assert (process.returncode, process.stderr) == (0, "")


def test_callers_of_an_api_that_is_down_are_promised_no_time(settings: Settings) -> None:
    prepare_run_dir(settings, BOTH)
    (message,) = DOWN.findall((settings.run_dir / "nginx.conf").read_text(encoding="utf-8"))

    assert "second" not in message, "the pause before the next attempt grows up to 30 s"
    assert message == RESTARTING, "agents are told the same"


MAIN = "import os; from control.launch import launch; os.execve = lambda *_: os._exit(7); launch.main()"


@pytest.fixture
def blocked() -> Iterator[int]:
    """A pipe that is full and that nobody reads, as of a log driver that hangs."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write_end, bytes(4096))
    os.set_blocking(write_end, True)
    yield write_end
    os.close(read_end)
    os.close(write_end)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings with which the stack would start; there is a warning too."""
    folder, port = tempfile.mkdtemp(dir="/tmp"), str(free_port())
    body_dir = tmp_path / "file"
    body_dir.touch()
    settings = {"RUN_DIR": f"{folder}/run", "NOTEBOOK_DIR": str(tmp_path), "BODY_DIR": str(body_dir), "PORT": port}
    yield {"PATH": os.environ["PATH"], **settings}
    shutil.rmtree(folder)


def test_a_stdout_that_blocks_is_no_reason_not_to_start(blocked: int, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", MAIN]
    process = subprocess.run(command, env=environment, stdout=blocked, stderr=subprocess.PIPE, text=True, timeout=40)

    assert (process.returncode, process.stderr) == (7, "")


def test_a_start_that_fails_ends_also_where_stderr_blocks(blocked: int, environment: dict[str, str]) -> None:
    environment["PORT"] = "none"
    process = subprocess.run([sys.executable, "-c", MAIN], env=environment, stderr=blocked, timeout=40)

    assert process.returncode == 1


@pytest.mark.parametrize(("port", "status"), [({}, 7), ({"PORT": "none"}, 1)], ids=["starts", "fails"])
def test_a_stderr_that_is_closed_changes_nothing(
    environment: dict[str, str], port: dict[str, str], status: int
) -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", MAIN]
    process = subprocess.run(command, env=environment | port, stdout=subprocess.DEVNULL, timeout=40)

    assert process.returncode == status


def test_the_welcome_shows_a_password_only_where_it_was_made_up(settings: Settings) -> None:
    assert OWNER.password in launch.banner(settings, ALONE)
    text = launch.banner(settings, BOTH)
    assert OWNER.password not in text
    assert CALLER.password not in text
    assert "http://127.0.0.1:18080/" in text
    assert "ada" in text
    assert "hook" in text
    assert "/apis/" in text
