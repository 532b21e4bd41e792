"""The control app with one client, and records in its history."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from control.config.settings import Settings
from control.traffic import replay as replay_module
from control.traffic.counters import Counters
from control.traffic.intake import Intake
from control.web.app import create_app
from control.web.components import KEY, Components
from tests.support.records import batch, record

AddRecord = Callable[..., str]


@pytest.fixture
def recording_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    (tmp_path / "htpasswd-api").write_text("hasura:x\n")
    settings = replace(Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)}), run_dir=tmp_path)
    monkeypatch.setattr(replay_module, "RECORD_TIMEOUT", 0)
    return create_app(settings, resume=False).test_client()


@pytest.fixture
def add(recording_client: FlaskClient) -> AddRecord:
    """Adds a record of a project to the history; returns its exchange's id."""

    def add_record(project: str = "shop", **changes: Any) -> str:
        components: Components = recording_client.application.extensions[KEY]
        intake = Intake(components.history, Counters(), inspect=True)
        intake.add_batch({**batch(project=project), "records": [record(**changes)]})
        return components.history.latest()[0].id

    return add_record
