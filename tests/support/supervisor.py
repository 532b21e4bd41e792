"""A stand-in for supervisord's client."""

from collections.abc import Callable

from control.supervision.client import Process, State


class FakeSupervisor:
    """Two programs that do at once what they are told; `on_start` is what a program does then."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {"blue": "STOPPED", "green": "STOPPED"}
        self.calls: list[tuple[str, str]] = []
        self.on_start: Callable[[str], None] = lambda slot: None

    def start(self, program: str) -> None:
        self.calls.append(("start", program))
        if self.states[program] != "STOPPING":  # supervisord does nothing then
            self.states[program] = "RUNNING"
        self.on_start(program)

    def stop(self, program: str, *, wait: bool) -> None:
        self.calls.append(("stop", program))
        self.states[program] = "STOPPED"

    def process(self, program: str) -> Process:
        return Process(self.states[program], "exit status 1")
