"""The programs' output: its lines, where each is printed, and what stands before it there."""

from collections import defaultdict, deque
from typing import Any

from control.logs.lines import LineBuffer, strip_request
from control.supervision.printer import Printer


class Output:
    """Prints the programs' output line by line, each with its program's name; that of APIs also to their logs.

    A line's source is its program for `stdout`, and the path of its API's log for `logs`.
    """

    def __init__(self, stdout: Printer, logs: Printer) -> None:
        self.buffers: dict[str, LineBuffer] = defaultdict(LineBuffer)
        self.last_lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=5))
        self.stdout = stdout
        self.logs = logs

    def on_output(self, event: Any) -> None:
        """Print the lines that a chunk of a program's output completes."""
        data = event.data if isinstance(event.data, bytes) else event.data.encode()
        if lines := self.buffers[event.process.config.name].feed(data):
            self.write(event.process, lines)

    def flush(self, process: Any) -> None:
        """Print the partial line of a program that has exited: often the one that says why."""
        if line := self.buffers.pop(process.config.name, LineBuffer()).flush():
            self.write(process, [line])

    def write(self, process: Any, lines: list[str]) -> None:
        """Print lines, and store them: for the log of an API, or to report why a program was given up."""
        name = process.config.name
        if name == "nginx":
            lines = [strip_request(line) for line in lines]
        self.stdout.write(join(lines, f"{name} | "), name)
        if api := getattr(process.group, "api", None):
            self.logs.write(join(lines), str(api.log))
        else:
            self.last_lines[name].extend(lines)


def join(lines: list[str], label: str = "") -> str:
    return "".join([f"{label}{line}\n" for line in lines])
