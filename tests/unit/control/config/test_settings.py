"""Settings: what is accepted, what stops the start, and that the README tells all of it."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from control.config.settings import LONGEST_SOCKET, ROOT, SettingError, Settings
from control.launch import credentials
from control.logs.rotation import ALL_BYTES

NUMBERS = {
    "PORT": (1, 65535),
    "KERNELS": (1, 64),
    "REQUEST_TIMEOUT": (1, 86_400),
    "START_TIMEOUT": (1, 86_400),
    "INSTALL_TIMEOUT": (1, 86_400),
    "QUEUE_LIMIT": (1, 4096),
    "MAX_BODY_MB": (1, 100_000),
    "LARGE_BODY_LIMIT": (1, 1000),
    "MAX_OUTPUT_MB": (1, 100_000),
}
# The Dockerfile sets these; they mean nothing to a person.
OF_THE_IMAGE = {"SHIPPED_DIR", "HOME_DIR", "BUILD_VERSION", "BUILD_REVISION"}


SHORT = "/tmp/r"  # noqa: S108 a checkout may lie too deep for the default


def read(**environ: str) -> Settings:
    """The settings of an environment with these variables."""
    return Settings.from_env({"RUN_DIR": SHORT, **environ})


def refusal(**environ: str) -> str:
    """The one line that says why these settings are refused."""
    with pytest.raises(SettingError) as error:
        read(**environ)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_without_any_variable_the_defaults_hold() -> None:
    settings = read()

    assert (settings.port, settings.bind_address) == (8080, "127.0.0.1")
    assert settings.notebook_dir == ROOT / "notebook"
    assert settings.serve is None
    assert settings.reload is False
    assert (settings.kernels, settings.request_timeout, settings.start_timeout) == (1, 60, 60)
    assert settings.max_body_mb == 100


@pytest.mark.parametrize("name", NUMBERS)
def test_an_empty_variable_is_the_default(name: str) -> None:
    assert read(**{name: ""}) == read()


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_accepted_up_to_both_of_its_limits(name: str) -> None:
    for value in NUMBERS[name]:
        assert getattr(read(**{name: str(value)}), name.lower()) == value


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["zero", "-1", "0", "1.5", "1e3", " 80", "80 ", "٨٠", "1_000", "9" * 30])
def test_a_bad_number_is_refused_with_its_name_its_value_and_what_is_accepted(name: str, value: str) -> None:
    low, high = NUMBERS[name]

    assert refusal(**{name: value}) == f"{name} is {value!r}: give a whole number from {low} to {high}."


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_beyond_its_limit_is_refused(name: str) -> None:
    high = NUMBERS[name][1]

    assert refusal(**{name: str(high + 1)}).endswith(f"from {NUMBERS[name][0]} to {high}.")


def test_a_notebook_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    message = refusal(NOTEBOOK_DIR=str(missing))

    assert message == f"NOTEBOOK_DIR is {str(missing)!r}: give a folder that exists and can be read."


def test_a_file_as_notebook_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    assert refusal(NOTEBOOK_DIR=str(file)).startswith(f"NOTEBOOK_DIR is {str(file)!r}")


def test_relative_folders_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n").mkdir()

    assert read(NOTEBOOK_DIR="n").notebook_dir == tmp_path / "n"
    monkeypatch.chdir("/")
    assert read(RUN_DIR="r").run_dir == Path("/r")


def test_a_run_directory_whose_sockets_still_fit_is_accepted() -> None:
    longest = "/" + "r" * (107 - len(LONGEST_SOCKET) - 2)

    assert str(read(RUN_DIR=longest).run_dir) == longest


def test_a_run_directory_one_character_too_long_is_refused_with_the_limit() -> None:
    limit = 107 - len(LONGEST_SOCKET) - 1
    long = "/" + "r" * limit

    message = refusal(RUN_DIR=long)

    assert message.startswith(f"RUN_DIR is {long!r}, too long for the sockets in it")
    assert f"at most {limit} characters" in message
    assert "RUN_DIR=/tmp/" in message


@pytest.mark.parametrize("path", ["/r/a b", "/r/ä", "/r/a;b", "/r/$a", "/r/a\nb", "/r/%h", "/{{x}}"])
def test_a_run_directory_that_a_configuration_file_could_misread_is_refused(path: str) -> None:
    message = refusal(RUN_DIR=path)

    assert message.startswith(f"RUN_DIR is {path!r}")
    assert "RUN_DIR=/tmp/" in message


def test_bodies_wait_in_the_run_directory_or_where_a_setting_says() -> None:
    assert read().body_dir == Path(SHORT) / "bodies"
    assert read(BODY_DIR="/volume/.bodies").body_dir == Path("/volume/.bodies")
    assert refusal(BODY_DIR="/a b").startswith("BODY_DIR is '/a b': give a path of letters")


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert read(TRUSTED_PROXIES="10.0.0.1, 172.16.0.0/12 fd00::/8").trusted_proxies == (
        "10.0.0.1/32",
        "172.16.0.0/12",
        "fd00::/8",
    )
    assert read(TRUSTED_PROXIES="172.17.0.1/16").trusted_proxies == ("172.17.0.0/16",)
    for bad in ("proxy", "10.0.0.1;", "10.0.0.0/40", "all"):
        assert refusal(TRUSTED_PROXIES=bad).startswith(f"TRUSTED_PROXIES is {bad!r}: give addresses of proxies")


def test_a_switch_is_on_or_off() -> None:
    assert read(SHOW_TRACEBACKS="1").show_tracebacks is True
    assert read(SHOW_TRACEBACKS="0").show_tracebacks is False
    assert refusal(SHOW_TRACEBACKS="yes") == "SHOW_TRACEBACKS is 'yes': give 1 for on or 0 for off."


def test_origins_are_web_origins_or_a_star() -> None:
    values = "https://a.example http://localhost:3000"

    assert read(CORS_ORIGINS=values).cors_origins == tuple(values.split())
    assert read(CORS_ORIGINS="*").cors_origins == ("*",)
    for bad in ("a.example", "https://a.example/path", "javascript:alert(1)"):
        assert refusal(CORS_ORIGINS=bad).startswith(f"CORS_ORIGINS has {bad!r}: give ")


def test_the_programs_of_the_stack_read_the_same_settings_again(tmp_path: Path) -> None:
    values = {"PORT": "9000", "SERVE": "a/b", "KERNELS": "3", "SHOW_TRACEBACKS": "1"}
    settings = read(
        **values, NOTEBOOK_DIR=str(tmp_path), CORS_ORIGINS="http://a, http://b", TRUSTED_PROXIES="10.0.0.1, ::1"
    )

    assert Settings.from_env(settings.to_env()) == settings


# -- the README


def table() -> dict[str, str]:
    """The README's settings: name and default."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("| Setting | Default |")[2]
    rows = text.partition("\n\n")[0].splitlines()[2:]
    matches = [re.fullmatch(r"\| `([A-Z_]+)` \| (.*?) ?\| (.+) \|", row) for row in rows]
    assert all(matches), [row for row, match in zip(rows, matches, strict=True) if not match]
    return {match[1]: match[2].strip("`") for match in matches if match}


def test_the_readme_has_every_setting_and_no_other() -> None:
    settings = {field.name.upper() for field in fields(Settings)} - OF_THE_IMAGE

    assert set(table()) == settings | set(credentials.VARIABLES)


def test_the_readme_tells_the_defaults_of_numbers_as_they_are() -> None:
    defaults = table()

    for name in NUMBERS:
        assert defaults[name] == str(getattr(read(), name.lower())), name
    assert defaults["BIND_ADDRESS"] == read().bind_address
    assert defaults["NOTEBOOK_USER"] == credentials.Credentials.from_env({}, Path("/none")).owner.name


def test_settings_that_the_readme_leaves_out_are_set_by_the_dockerfile() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert all(f"{name}=" in dockerfile for name in OF_THE_IMAGE)


# The files for compose and Kubernetes, and the image, fit what the settings allow.

MIB = 1024 * 1024
POOLS = 4  # of LARGE_BODY_LIMIT each: announced and unannounced bodies, for one API and for the owner
RUN_REST = 32 * MIB  # sockets, configuration, nginx's cache: far more than they take
IN_BYTES = {"m": MIB, "Mi": MIB, "Gi": 1024 * MIB}


def of_file(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def in_bytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", size).groups()  # type: ignore[union-attr]
    return int(number) * IN_BYTES[unit]


def run_sizes() -> dict[str, int]:
    """How large /run may become, in memory."""
    volumes = of_file("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"]["volumes"]
    (kubernetes,) = [volume["emptyDir"]["sizeLimit"] for volume in volumes if volume["name"] == "run"]
    (compose,) = [
        mount.partition("size=")[2]
        for mount in of_file("docker-compose.yml")["services"]["notebook"]["tmpfs"]
        if mount.startswith("/run:")
    ]
    return {"kubernetes": in_bytes(kubernetes), "compose": in_bytes(compose)}


def body_dir() -> str:
    match = re.search(r"\bBODY_DIR=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert match
    return match[1]


def test_the_run_directory_holds_the_logs_and_leaves_memory_to_the_programs() -> None:
    for name, size in run_sizes().items():
        assert size >= ALL_BYTES + RUN_REST, name
        assert size <= 256 * MIB, name


def test_large_bodies_wait_in_the_volume_and_not_in_memory() -> None:
    mounts = of_file("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    (volume,) = [mount["mountPath"] for mount in mounts if mount["name"] == "notebooks"]
    service = of_file("docker-compose.yml")["services"]["notebook"]

    assert body_dir().startswith(f"{volume}/")
    assert service["volumes"] == [f"notebooks:{volume}"]
    assert not [mount for mount in service["tmpfs"] if body_dir().startswith(mount.partition(":")[0] + "/")]


def test_the_volume_holds_as_many_bodies_as_may_be_under_way() -> None:
    settings = read()
    claim = of_file("deploy/kubernetes/volume.yaml")["spec"]["resources"]["requests"]["storage"]

    assert POOLS * settings.large_body_limit * settings.max_body_mb * MIB <= in_bytes(claim) * 0.75


def test_nginx_counts_as_many_pools_as_the_documents_say() -> None:
    template = (ROOT / "conf" / "nginx.conf.j2").read_text(encoding="utf-8")
    kinds = re.findall(r'^ +".+" +(announced|unannounced);$', template, re.M)
    zones = re.findall(r"^ +limit_conn_zone \$large_(?:api_)?body ", template, re.M)

    assert len(kinds) * len(zones) == POOLS
    document = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert f"{POOLS} x `LARGE_BODY_LIMIT` x `MAX_BODY_MB`" in document


def test_no_part_of_the_stack_fills_the_disk_with_its_log() -> None:
    options = of_file("docker-compose.yml")["services"]["notebook"]["logging"]["options"]

    assert in_bytes(options["max-size"]) * int(options["max-file"]) <= 100 * MIB
