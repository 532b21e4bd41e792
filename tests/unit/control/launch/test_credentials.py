"""Credentials: where passwords come from, what is refused, and what nginx gets to see."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from control.config.settings import SettingError
from control.launch.credentials import Credentials, User

GOOD = "correct horse"
OTHER = "battery staple"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{OTHER}\n", encoding="utf-8")
    return path


@pytest.fixture
def connector(tmp_path: Path) -> Path:
    """The connector's configuration; most tests have none."""
    return tmp_path / "config.json"


def read(connector: Path, **environ: str) -> Credentials:
    return Credentials.from_env(environ, connector)


def refusal(connector: Path, **environ: str) -> str:
    with pytest.raises(SettingError) as error:
        read(connector, **environ)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_without_any_password_one_is_made_up_anew_each_time(connector: Path) -> None:
    first, second = read(connector), read(connector)

    assert first.generated
    assert len(first.owner.password) >= 16
    assert first.owner.password != second.owner.password
    assert first.owner.name == "hasura"
    assert first.api is None


def test_a_password_in_the_environment_is_used(connector: Path) -> None:
    credentials = read(connector, NOTEBOOK_USER="ada", NOTEBOOK_PASSWORD=GOOD)

    assert (credentials.owner, credentials.generated) == (User("ada", GOOD), False)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_in_a_file_is_used_without_the_line_ending(connector: Path, file: Path, ending: str) -> None:
    file.write_bytes(f"{OTHER}{ending}".encode())

    assert read(connector, NOTEBOOK_PASSWORD_FILE=str(file)).owner.password == OTHER


def test_a_connectors_configuration_is_used(connector: Path) -> None:
    connector.write_text(json.dumps({"password": OTHER, "more": 1}), encoding="utf-8")

    credentials = read(connector)

    assert (credentials.owner.password, credentials.generated) == (OTHER, False)


def test_the_environment_and_its_file_go_before_the_connectors_configuration(connector: Path, file: Path) -> None:
    connector.write_text('{"password": "from the connector"}', encoding="utf-8")

    assert read(connector, NOTEBOOK_PASSWORD=GOOD).owner.password == GOOD
    assert read(connector, NOTEBOOK_PASSWORD_FILE=str(file)).owner.password == OTHER


def test_empty_variables_are_as_good_as_none(connector: Path) -> None:
    empty = {"NOTEBOOK_USER": "", "NOTEBOOK_PASSWORD": "", "NOTEBOOK_PASSWORD_FILE": ""}

    credentials = read(connector, **empty, API_USER="", API_PASSWORD="")

    assert (credentials.owner.name, credentials.generated, credentials.api) == ("hasura", True, None)


@pytest.mark.parametrize("name", ["NOTEBOOK_PASSWORD", "API_PASSWORD"])
def test_a_password_given_twice_is_refused(connector: Path, file: Path, name: str) -> None:
    message = refusal(connector, API_USER="caller", **{name: GOOD, f"{name}_FILE": str(file)})

    assert message == f"{name} and {name}_FILE are both set: keep one of them."


@pytest.mark.parametrize("name", ["NOTEBOOK_PASSWORD", "API_PASSWORD"])
def test_a_short_password_is_refused_and_not_repeated(connector: Path, file: Path, name: str) -> None:
    file.write_text("7 chars\n", encoding="utf-8")

    for variable, value in ((name, "7 chars"), (f"{name}_FILE", str(file))):
        message = refusal(connector, API_USER="caller", **{variable: value})
        assert variable in message
        assert "7 characters" in message
        assert "at least 8" in message
        assert "7 chars:" not in message


def test_eight_characters_are_enough(connector: Path) -> None:
    assert read(connector, NOTEBOOK_PASSWORD="8 chars!").owner.password == "8 chars!"


def test_a_password_file_that_cannot_be_read_is_refused_with_its_path(connector: Path, file: Path) -> None:
    missing = file.with_name("missing")
    cases = {missing: "No such file", file.parent: "Is a directory"}

    for path, reason in cases.items():
        message = refusal(connector, NOTEBOOK_PASSWORD_FILE=str(path))
        assert message.startswith(f"NOTEBOOK_PASSWORD_FILE is {str(path)!r}: it cannot be read ({reason}")


def test_a_password_file_that_is_no_text_is_refused(connector: Path, file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00\x01password")

    assert "not UTF-8" in refusal(connector, NOTEBOOK_PASSWORD_FILE=str(file))


def test_an_empty_password_file_is_refused(connector: Path, file: Path) -> None:
    file.write_text("\n", encoding="utf-8")

    assert "0 characters" in refusal(connector, NOTEBOOK_PASSWORD_FILE=str(file))


@pytest.mark.parametrize("password", ["line one\nline two", "tab\tin it", "bell\x07bell", "nul\0nul nul"])
def test_a_password_with_a_control_character_is_refused_and_not_repeated(connector: Path, password: str) -> None:
    message = refusal(connector, NOTEBOOK_PASSWORD=password)

    assert message.startswith("NOTEBOOK_PASSWORD ")
    assert "control character" in message
    assert password not in message


@pytest.mark.parametrize("text", ["", "{", "[]", '"password"', "{}", '{"pass": "long enough"}', "null", "7"])
def test_a_connectors_configuration_of_another_form_is_refused_with_the_right_one(connector: Path, text: str) -> None:
    connector.write_text(text, encoding="utf-8")

    message = refusal(connector)

    assert str(connector) in message
    assert '{"password": "…"}' in message


@pytest.mark.parametrize("value", [12345678, None, ["long enough"], True])
def test_a_connectors_password_that_is_no_text_is_refused(connector: Path, value: Any) -> None:
    connector.write_text(json.dumps({"password": value}), encoding="utf-8")

    message = refusal(connector)

    assert str(connector) in message
    assert "quotes" in message


def test_a_short_connectors_password_is_refused(connector: Path) -> None:
    connector.write_text('{"password": "short"}', encoding="utf-8")

    assert refusal(connector).startswith(f"{connector} holds a password of 5 characters")


def test_a_second_user_is_read(connector: Path, file: Path) -> None:
    credentials = read(connector, API_USER="caller", API_PASSWORD_FILE=str(file))

    assert credentials.api == User("caller", OTHER)


def test_half_of_a_second_user_is_refused_with_the_missing_half(connector: Path) -> None:
    assert refusal(connector, API_USER="caller").startswith("API_PASSWORD is not set")
    assert refusal(connector, API_PASSWORD=GOOD).startswith("API_USER is not set")


def test_the_second_user_needs_a_name_of_its_own(connector: Path) -> None:
    assert "NOTEBOOK_USER" in refusal(connector, API_USER="hasura", API_PASSWORD=GOOD)


@pytest.mark.parametrize("variable", ["NOTEBOOK_USER", "API_USER"])
@pytest.mark.parametrize(
    "name", ["a:b", "line\nbreak", "nul\0", "#bob", "#", " bob", "bob ", " ", "b\udcffb", "b\u2028b"]
)
def test_a_user_name_that_would_break_the_password_file_is_refused(connector: Path, variable: str, name: str) -> None:
    message = refusal(connector, API_PASSWORD=GOOD, **{variable: name})

    assert message.startswith(f"{variable} is {name!r}")


@pytest.mark.parametrize("name", ["b#b", "bob smith", "böb", "ボブ", "$bob\\", "'\"bob"])
def test_an_unusual_user_name_is_used_as_it_is(connector: Path, name: str) -> None:
    assert read(connector, NOTEBOOK_USER=name).owner.name == name


def test_a_password_is_in_no_repr() -> None:
    user = User("ada", GOOD)

    assert GOOD not in repr(user)
    assert GOOD not in repr(Credentials(user, user, generated=False))


@pytest.mark.parametrize("password", [GOOD, "p:with:colons", "pässwörd-ü-€", "x" * 500])
def test_the_password_files_line_is_a_salted_hash_of_the_whole_password(password: str) -> None:
    line = User("ada", password).htpasswd_line()

    name, _, password_hash = line.removesuffix("\n").partition(":")
    assert name == "ada"
    assert password_hash.startswith("{SSHA}")
    data = base64.b64decode(password_hash.removeprefix("{SSHA}"), validate=True)
    digest, salt = data[:20], data[20:]
    assert len(salt) >= 8
    assert hashlib.sha1(password.encode() + salt).digest() == digest  # noqa: S324
    assert password not in line


def test_each_password_file_line_has_a_salt_of_its_own() -> None:
    user = User("ada", GOOD)

    assert user.htpasswd_line() != user.htpasswd_line()
