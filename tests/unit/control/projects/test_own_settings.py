"""A project's `api.toml`: what counts in place of the environment, and that everything else in it is an error."""

import os
from pathlib import Path

import pytest

from control.config.settings import PER_PROJECT, ROOT, SettingError, Settings
from control.projects.own_settings import load

STACK = Settings.from_env({"RUN_DIR": "/tmp/r", "KERNELS": "3", "SHOW_TRACEBACKS": "1"})  # noqa: S108
NUMBERS = {"kernels": (1, 64), "request_timeout": (1, 86_400), "start_timeout": (1, 86_400), "queue_limit": (1, 4096)}
SWITCHES = {"show_tracebacks", "allow_broken_endpoints"}


def refusal(folder: Path, content: str | bytes) -> str:
    """Why this file is refused."""
    (folder / "api.toml").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SettingError) as error:
        load(folder, STACK)
    return str(error.value)


def test_without_the_file_the_environment_counts(tmp_path: Path) -> None:
    assert load(tmp_path, STACK) == (STACK, {})


def test_what_the_file_sets_counts_and_the_rest_is_the_environments(tmp_path: Path) -> None:
    text = "# slow\nrequest_timeout = 3_600\nshow_tracebacks = false\nallow_broken_endpoints = true\n"
    (tmp_path / "api.toml").write_text(text)

    settings, own = load(tmp_path, STACK)

    assert own == {"REQUEST_TIMEOUT": "3600", "SHOW_TRACEBACKS": "0", "ALLOW_BROKEN_ENDPOINTS": "1"}
    assert (settings.request_timeout, settings.show_tracebacks, settings.kernels) == (3600, False, 3)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "true", "'many'", "''", "[1]", "{a = 1}", "100_000", "1979-05-27"])
def test_a_bad_number_is_told_with_the_file_the_key_and_what_is_allowed(tmp_path: Path, name: str, value: str) -> None:
    low, high = NUMBERS[name]
    message = refusal(tmp_path, f"{name} = {value}")

    assert message.startswith(f"api.toml: {name} is ")
    assert message.endswith(f": give a whole number from {low} to {high}.")


@pytest.mark.parametrize("name", sorted(SWITCHES))
@pytest.mark.parametrize("value", ["2", "'yes'", "''", "[]"])
def test_a_bad_switch_is_told(tmp_path: Path, name: str, value: str) -> None:
    message = refusal(tmp_path, f"{name} = {value}")

    assert message.startswith(f"api.toml: {name} is ")
    assert message.endswith("give 1 for on or 0 for off.")


def test_a_setting_of_the_whole_stack_and_an_unknown_one_are_told(tmp_path: Path) -> None:
    whole = "is a setting of the whole stack: set MAX_BODY_MB in its environment."
    assert refusal(tmp_path, "max_body_mb = 1") == f"api.toml: max_body_mb {whole}"
    assert refusal(tmp_path, "MAX_BODY_MB = 1") == f"api.toml: MAX_BODY_MB {whole}"
    names = ", ".join(PER_PROJECT)
    for name in ("kernel", "KERNELS", "notebook_password"):
        assert refusal(tmp_path, f"{name} = 1") == f"api.toml: {name!r} is unknown: give {names}."


def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    assert "(at line 2, column 9)" in refusal(tmp_path, "kernels = 1\nkernels 2\n")
    for content in (b"\xff", "a = " + 5000 * "["):
        assert refusal(tmp_path, content).startswith("api.toml: it is not TOML (")
    assert refusal(tmp_path, "#" * 100_001) == "api.toml: it is larger than 100,000 bytes."
    (tmp_path / "api.toml").unlink()
    os.mkfifo(tmp_path / "api.toml")
    with pytest.raises(SettingError, match=r"api\.toml: it cannot be read"):
        load(tmp_path, STACK)


def test_the_readme_names_the_settings_that_a_project_may_have() -> None:
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## A project's settings")[2].partition("\n## ")[0]
    )

    assert {*NUMBERS, *SWITCHES} == set(PER_PROJECT)
    assert all(f"`{name}`" in section for name in PER_PROJECT)
