"""A Deployment over a supervisord that does at once what it is told; gateways are ready once they are started."""

from dataclasses import replace
from pathlib import Path

import pytest

from control.config.settings import Settings
from control.deployment import slots as slots_module
from control.deployment.deployment import Deployment
from control.deployment.gateway_client import GatewayStatus
from tests.support.notebooks import notebook_text
from tests.support.supervisor import FakeSupervisor

READY = GatewayStatus(True, [], [], 1, 0)


class Api(Deployment):
    """With the projects `shop` and `bank`; each start reads the notebooks' folder and the run directory anew."""

    def __init__(self, folder: Path, supervisor: FakeSupervisor, serve: str | None = None) -> None:
        notebooks, run_dir = folder / "notebooks", folder / "run"
        for name in ("blue", "green"):
            (run_dir / name).mkdir(parents=True, exist_ok=True)
        for name in ("shop", "bank"):
            (notebooks / name).mkdir(parents=True, exist_ok=True)
            (notebooks / name / "server.ipynb").write_text(notebook_text(["x = 1"]))
        settings = Settings.from_env({"NOTEBOOK_DIR": str(notebooks)})
        super().__init__(replace(settings, run_dir=run_dir, serve=serve))
        self.supervisor = supervisor
        self.slots.supervisor = supervisor  # type: ignore[assignment]
        self.slots.gateway = self.gateway  # type: ignore[method-assign]

    def gateway(self, slot: str) -> GatewayStatus | None:
        is_standby = self.slots.is_standby(slot)
        return READY if self.supervisor.states[slot] in ("RUNNING", "STOPPING") and not is_standby else None

    @property
    def served(self) -> str | None:
        status = self.status()
        return status.notebook if status.state == "serving" else None


@pytest.fixture
def supervisor() -> FakeSupervisor:
    return FakeSupervisor()


@pytest.fixture
def api(tmp_path: Path, supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(slots_module, "POLL", 0.001)
    return Api(tmp_path, supervisor)
