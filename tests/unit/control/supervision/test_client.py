"""What supervisord's states mean to the control app."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from control.supervision.client import Supervisor
from tests.support.waiting import eventually


class Program:
    """A gateway that died, and that supervisord starts again after it was asked for its state once."""

    def __init__(self, exit_status: int) -> None:
        self.exit_status = exit_status
        self.state = "EXITED"
        self.stops = 0

    def call(self, method: str, *_: object, **__: object) -> Any:
        if method == "getProcessInfo":
            state = self.state
            if state == "EXITED" and self.exit_status != 3:
                self.state = "STARTING"
            return {"statename": state, "exitstatus": self.exit_status, "spawnerr": "", "description": "", "pid": 0}
        self.stops += 1
        if self.state == "EXITED":
            return None  # NOT_RUNNING
        self.state = "STOPPED"
        return True


@pytest.mark.parametrize(("exit_status", "state", "stops"), [(-1, "STOPPED", 2), (0, "STOPPED", 2), (3, "EXITED", 1)])
def test_a_program_that_is_about_to_be_started_again_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_status: int, state: str, stops: int
) -> None:
    program, supervisor = Program(exit_status), Supervisor(tmp_path / "s", "api-1")
    monkeypatch.setattr(supervisor, "_call", program.call)

    supervisor.stop("blue", wait=False)

    assert (program.state, program.stops) == (state, stops)


@pytest.mark.parametrize(("exit_status", "state"), [(-1, "BACKOFF"), (3, "EXITED")])
def test_a_program_is_down_only_if_it_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_status: int, state: str
) -> None:
    program, supervisor = Program(exit_status), Supervisor(tmp_path / "s", "api-1")
    monkeypatch.setattr(supervisor, "_call", program.call)

    assert supervisor.process("blue").state == state


def test_supervisord_is_asked_for_a_program_only_once_its_process_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = []
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        info = {"statename": "RUNNING", "exitstatus": 0, "spawnerr": "", "description": "", "pid": process.pid}

        def answer(*call: object) -> dict[str, Any]:
            questions.append(call)
            return info

        supervisor = Supervisor(tmp_path / "s", "api-1")
        monkeypatch.setattr(supervisor, "_call", answer)
        assert not any(supervisor.is_down("blue") for _ in range(5))
        assert len(questions) == 1

        process.kill()
        eventually(lambda: supervisor.is_down("blue") or len(questions) > 1)
        assert not supervisor.is_down("blue"), "as supervisord has not noticed it"
        info |= {"statename": "FATAL", "pid": 0}
        assert supervisor.is_down("blue")
