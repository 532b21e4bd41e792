"""A stand-in for supervisord's client."""

from collections.abc import Callable

from control.supervision.client import DOWN, Process, State


class FakeSupervisor:
    """Two programs that do at once what they are told; `on_start` is what a program does then."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {"blue": "STOPPED", "green": "STOPPED"}
        self.calls: list[tuple[str, str]] = []
        self.on_start: Callable[[str], None] = lambda slot: None
        self.is_known = True  # whether supervisord has the programs

    def start(self, program: str) -> bool:
        if not self.is_known:
            return False
        self.calls.append(("start", program))
        if self.states[program] != "STOPPING":  # supervisord does nothing then
            self.states[program] = "RUNNING"
        self.on_start(program)
        return True

    def stop(self, program: str, *, wait: bool) -> None:
        self.calls.append(("stop", program))
        self.states[program] = "STOPPED"

    def process(self, program: str) -> Process:
        return Process(self.states[program], "exit status 1")

    def is_down(self, program: str) -> bool:
        return self.process(program).state in DOWN

    def add_group(self) -> None:
        self.is_known = True

    def remove_group(self) -> None:
        self.is_known = False
