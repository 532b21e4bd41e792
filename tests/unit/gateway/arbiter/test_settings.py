"""What a gateway is told, and where its files are."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.arbiter.settings import GatewaySettings
from tests.support.slot import DEFAULTS


@pytest.mark.parametrize("place", ["blue", "slots/1a2b3c4d/green"])
def test_a_slot_may_be_anywhere_in_the_run_directory(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "slot.json").write_text(json.dumps({"notebook": "shop/eu", "path": "/shop/eu/server.ipynb"}))
    settings = GatewaySettings.load(place, {"RUN_DIR": str(tmp_path), **DEFAULTS})
    assert settings.slot == folder.name
    sockets: list[Any] = [settings.socket, settings.admin_socket, settings.workers_socket, settings.failure_file]
    assert {file.parent for file in sockets} == {folder}
    assert settings.address == "/invoke"
    assert settings.records == str(tmp_path / "records.sock")


def test_an_address_is_percent_encoded(tmp_path: Path) -> None:
    content = {"notebook": "my shop/é", "path": "/shop/server.ipynb", "address": "/apis/my shop.é"}
    (tmp_path / "slot.json").write_text(json.dumps(content))
    settings = GatewaySettings.load(".", {"RUN_DIR": str(tmp_path), **DEFAULTS})
    assert settings.address == "/apis/my%20shop.%C3%A9"
