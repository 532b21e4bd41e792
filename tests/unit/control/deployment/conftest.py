"""A Deployment over a supervisord that does at once what it is told; gateways are ready once they are started."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from control.config.settings import Settings
from control.deployment import slots as slots_module
from control.deployment.api import Api
from control.deployment.deployment import Deployment
from control.deployment.gateway_client import GatewayStatus
from control.deployment.recovery import Recovery
from tests.support.notebooks import notebook_text
from tests.support.supervisor import FakeSupervisor

READY = GatewayStatus(True, [], [], 1, 0)
Supervisors = dict[str, FakeSupervisor]  # by the project's name


class Apis(Deployment):
    """With the projects `shop` and `bank`; each start reads the notebooks' folder and the run directory anew."""

    def __init__(self, folder: Path, supervisors: Supervisors, serve: str | None = None) -> None:
        notebooks, run_dir = folder / "notebooks", folder / "run"
        for name in ("apis", "slots"):
            (run_dir / name).mkdir(parents=True, exist_ok=True)
        for name in ("shop", "bank"):
            (notebooks / name).mkdir(parents=True, exist_ok=True)
            (notebooks / name / "server.ipynb").write_text(notebook_text(["x = 1"]))
        settings = Settings.from_env({"NOTEBOOK_DIR": str(notebooks)})
        self.supervisors = supervisors
        super().__init__(replace(settings, run_dir=run_dir, serve=serve))

    def api(self, name: str) -> Api:
        api = super().api(name)
        api.slots.supervisor = self.supervisors[name]  # type: ignore[assignment]
        api.slots.gateway = lambda slot: self.gateway(name, slot)  # type: ignore[method-assign]
        return api

    def gateway(self, name: str, slot: str) -> GatewayStatus | None:
        is_up = self.supervisors[name].states[slot] in ("RUNNING", "STOPPING")
        return READY if is_up and not self.api(name).slots.is_standby(slot) else None

    @property
    def served(self) -> list[str | None]:
        """The names of those that are up, the default one first."""
        statuses = [status for status in self.statuses() if status.state == "serving"]
        return [status.notebook for status in sorted(statuses, key=lambda status: not status.is_default)]

    @property
    def default_route(self) -> Path:
        """The folder that callers of /invoke/ reach."""
        return self.run.default_link.resolve()

    def recovery(self, name: str) -> Recovery:
        return Recovery(self.api(name), self.routes.publisher(name))


@pytest.fixture
def supervisors() -> Supervisors:
    return defaultdict(FakeSupervisor)


@pytest.fixture
def apis(tmp_path: Path, supervisors: Supervisors, monkeypatch: pytest.MonkeyPatch) -> Apis:
    monkeypatch.setattr(slots_module, "POLL", 0.001)
    return Apis(tmp_path, supervisors)
