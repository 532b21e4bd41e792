"""`python -m control.supervision.daemon`: supervisord in the foreground, with what it lacks for this stack.

supervisord is used as a library so that three things need no further process: each line that a program
prints gets the program's name, the children of a program that exits are killed, and a program that keeps
crashing ends the stack with an exit status that is not 0.
"""

import ctypes
import os
import signal
import sys
import time
from collections import defaultdict, deque
from contextlib import suppress
from io import TextIOBase
from typing import Any

from supervisor import events, loggers
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.logs.lines import LineBuffer, strip_request
from control.supervision.client import API_GROUP
from control.supervision.on_demand import OnDemand
from control.supervision.printer import API_LOG_BYTES, Printer, RotatedFile, write_to_stdout
from control.supervision.process_tree import kill_descendants, kill_orphaned_kernels
from control.supervision.wakeup import SignalWakeup, poll_until

# `docker stop` kills after 10 s. Requests in flight get the first 6 of them; see conf/supervisord.conf.j2.
SHUTDOWN_DRAIN = 6  # seconds
SHUTDOWN = 9.2  # seconds, after which all programs are killed
STOP_MARGIN = 5  # seconds for a slot after its longest request; as in conf/supervisord.conf.j2
DRAIN = 0.2  # seconds for the last output, where that is blocked
STACK_GROUP = "stack"  # as in conf/supervisord.conf.j2: the programs without which the stack ends
MAX_EXITS = 5
EXIT_WINDOW = 30  # seconds
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def main() -> None:
    """Run the stack until a signal or a program that keeps crashing ends it; exits with 0 or 1."""
    settings = Settings.from_env()
    run = RunDir(settings.run_dir)
    # Kernels whose parent was killed become our children, so that none outlives the stack.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stdout = Printer(write_to_stdout, "supervisord | ")
    api_log = Printer(RotatedFile(run.api_log, API_LOG_BYTES).write)
    options = Options()
    options.stdout = stdout
    options.realize(["-c", str(run.supervisord_conf)])
    options.first = True
    options.test = False
    stack = Stack(options, Output(stdout, api_log), settings)
    try:
        with suppress(asyncore.ExitNow):  # how supervisord leaves its loop
            stack.main()
    finally:
        kill_descendants()
    if stack.error:
        stdout.write(f"{stack.error}\n")
    for printer in (stdout, api_log):
        printer.drain(DRAIN)
    sys.exit(1 if stack.error else 0)


class Options(ServerOptions):  # type: ignore[misc]
    """supervisord's options, with a log on stdout that is labelled as the programs' output is."""

    stdout: TextIOBase

    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        handler = loggers.StreamHandler(self.stdout)
        handler.setFormat("supervisord | %(levelname)s %(message)s\n")
        handler.setLevel(self.loglevel)
        self.logger.addHandler(handler)
        for message in self.parse_warnings:
            self.logger.warn(message)

    def openhttpservers(self, supervisord: Supervisor) -> None:
        """Without the warning that the socket has no password: only this user can open it."""
        level, self.logger.level = self.logger.level, loggers.LevelsByName.CRIT + 1
        try:
            super().openhttpservers(supervisord)
        finally:
            self.logger.level = level


class Output:
    """Prints the programs' output line by line, each with its program's name; the API's also to its log."""

    def __init__(self, stdout: TextIOBase, api_log: TextIOBase) -> None:
        self.buffers: dict[str, LineBuffer] = defaultdict(LineBuffer)
        self.last_lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=5))
        self.stdout = stdout
        self.api_log = api_log

    def on_output(self, event: Any) -> None:
        """Print the lines that a chunk of a program's output completes."""
        data = event.data if isinstance(event.data, bytes) else event.data.encode()
        for line in self.buffers[event.process.config.name].feed(data):
            self.write(event.process, line)

    def flush(self, process: Any) -> None:
        """Print the partial line of a program that has exited: often the one that says why."""
        if line := self.buffers[process.config.name].flush():
            self.write(process, line)

    def write(self, process: Any, text: str) -> None:
        """Print a line, and store it: for the log of the API, and to report why a program was given up."""
        name = process.config.name
        if name == "nginx":
            text = strip_request(text)
        self.last_lines[name].append(text)
        if process.group.config.name == API_GROUP:
            self.api_log.write(f"{text}\n")
        self.stdout.write(f"{name} | {text}\n")


class Stack(Supervisor):  # type: ignore[misc]
    """supervisord with this stack's rules for output, orphans and programs that keep crashing."""

    def __init__(self, options: Options, output: Output, settings: Settings) -> None:
        super().__init__(options)
        self.output = output
        self.run_dir, self.request_timeout = RunDir(settings.run_dir), settings.request_timeout
        self.error: str | None = None
        self.exits: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MAX_EXITS))
        self.on_demand: dict[str, OnDemand] = {}  # by the name of the group

    def runforever(self) -> None:
        # Not in __init__: supervisord clears all subscriptions just before it calls this.
        events.subscribe(events.ProcessLogStdoutEvent, self.output.on_output)
        events.subscribe(events.ProcessStateFatalEvent, self.on_fatal)
        events.subscribe(events.ProcessStateStoppingEvent, self.on_slot_stopping)
        events.subscribe(events.SupervisorStoppingEvent, self.on_stopping)
        for event in (events.ProcessStateExitedEvent, events.ProcessStateBackoffEvent, events.ProcessStateStoppedEvent):
            events.subscribe(event, self.on_exit)
        groups = self.process_groups.items()
        self.on_demand = {name: OnDemand(group) for name, group in groups if hasattr(group, "socket_manager")}
        SignalWakeup()
        super().runforever()

    def on_fatal(self, event: Any) -> None:
        """End the stack when one of its own programs does not start; the others never end it."""
        if event.process.group.config.name == STACK_GROUP:
            self.give_up(event.process)

    def give_up(self, process: Any) -> None:
        """End the stack with an error that names this program."""
        if self.error:
            return
        name = process.config.name
        lines = "\n".join(f"  {line}" for line in self.output.last_lines[name]) or f"  {process.spawnerr}"
        self.error = f"error: {name} could not be kept up, so the stack has ended. Its last lines:\n{lines}"
        self.options.mood = SupervisorStates.SHUTDOWN

    def on_slot_stopping(self, event: Any) -> None:
        """Let a slot finish the requests of its project, which may have another limit than `stopwaitsecs` allows."""
        process = event.process
        if process.group.config.name == API_GROUP and self.options.mood == SupervisorStates.RUNNING:
            limit = self.run_dir.slot_request_timeout(process.config.name, self.request_timeout) + STOP_MARGIN
            process.delay += limit - process.config.stopwaitsecs  # counted from it just now
            process.config.stopwaitsecs = limit

    def on_stopping(self, _event: Any) -> None:
        """Shorten the time for requests in flight: somebody waits for the shutdown."""
        for process in self.process_groups[API_GROUP].processes.values():
            process.config.stopwaitsecs = min(process.config.stopwaitsecs, SHUTDOWN_DRAIN)
        self.options.poller.poll = poll_until(self.options.poller.poll, time.monotonic() + SHUTDOWN)

    def on_exit(self, event: Any) -> None:
        """Kill the orphans of a program that has exited, and give up one that keeps crashing."""
        process = event.process
        self.output.flush(process)
        if process.pid:
            # Orphaned nginx workers would keep the port from the next nginx.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            kill_orphaned_kernels(process.pid)
        group = process.group.config.name
        if group in self.on_demand and not getattr(event, "expected", False):
            self.on_demand[group].refuse()
        # supervisord counts only exits within startsecs; a program that exits just after would be restarted
        # for ever.
        if self.options.mood == SupervisorStates.RUNNING and group == STACK_GROUP:
            exits = self.exits[process.config.name]
            exits.append(time.monotonic())
            if len(exits) == exits.maxlen and exits[-1] - exits[0] < EXIT_WINDOW:
                self.give_up(process)


if __name__ == "__main__":
    main()
