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
from copy import copy
from io import TextIOBase
from typing import Any

from supervisor import events, loggers
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from control.config.run_dir import RunDir, is_api_group
from control.config.settings import Settings
from control.logs.lines import label
from control.logs.rotation import write_to_log
from control.supervision.fork import deliver_signals_to_new_processes
from control.supervision.on_demand import OnDemand
from control.supervision.output import Output
from control.supervision.printer import Printer, write_to_stdout
from control.supervision.process_tree import kill_descendants, kill_orphaned_kernels
from control.supervision.wakeup import SignalWakeup, poll_until

# `docker stop` kills after 10 s. Requests in flight get the first 6 of them; see conf/supervisord.conf.j2.
SHUTDOWN_DRAIN = 6  # seconds
SHUTDOWN = 8.5  # seconds, after which all programs are killed
STOP_MARGIN = 5  # seconds for a slot after its longest request; as in conf/api.conf.j2
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
    stdout, logs = printers = Printer(write_to_stdout, "{} | "), Printer(write_to_log)
    options = Options()
    options.stdout = stdout
    options.realize(["-c", str(run.supervisord_conf)])
    options.first = True
    options.test = False
    deliver_signals_to_new_processes()
    stack = Stack(options, Output(stdout, logs), settings)
    try:
        with suppress(asyncore.ExitNow):  # how supervisord leaves its loop
            stack.main()
    finally:
        kill_descendants()
    if stack.error:
        stdout.write(f"{stack.error}\n")
    for printer in printers:
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
            if not message.startswith("No file matches"):  # there is no API yet
                self.logger.warn(message)

    def openhttpservers(self, supervisord: Supervisor) -> None:
        """Without the warning that the socket has no password: only this user can open it."""
        level, self.logger.level = self.logger.level, loggers.LevelsByName.CRIT + 1
        try:
            super().openhttpservers(supervisord)
        finally:
            self.logger.level = level


class Stack(Supervisor):  # type: ignore[misc]
    """supervisord with this stack's rules for output, orphans and programs that keep crashing."""

    def __init__(self, options: Options, output: Output, settings: Settings) -> None:
        super().__init__(options)
        self.output = output
        self.paths, self.request_timeout = RunDir(settings.run_dir), settings.request_timeout
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

    def add_process_group(self, config: Any) -> bool:
        """Also name the slots of an API `<project>/blue` and so on, in the log and in what supervisord says of them."""
        if not super().add_process_group(config):
            return False
        group = self.process_groups[config.name]
        project = self.paths.project_of_group(config.name) if is_api_group(config.name) else None
        if project:
            group.api = self.paths.api(project)
            for slot, process in group.processes.items():
                process.config = copy(process.config)  # as there may be another group from this one
                process.config.name = f"{label(project)}/{slot}"
        return True

    def on_slot_stopping(self, event: Any) -> None:
        """Let a slot finish the requests of its project, which may have another limit than `stopwaitsecs` allows."""
        process = event.process
        api = getattr(process.group, "api", None)
        if api and self.options.mood == SupervisorStates.RUNNING:
            slot = process.config.name.rpartition("/")[2]
            limit = api.slot_request_timeout(slot, self.request_timeout) + STOP_MARGIN
            process.delay += limit - process.config.stopwaitsecs  # counted from it just now
            process.config.stopwaitsecs = limit

    def on_stopping(self, _event: Any) -> None:
        """Shorten the time for requests in flight, also of slots that are stopping: somebody waits for the shutdown."""
        for name, group in self.process_groups.items():
            for process in group.processes.values() if is_api_group(name) else ():
                process.config.stopwaitsecs = min(process.config.stopwaitsecs, SHUTDOWN_DRAIN)
                process.delay = min(process.delay, time.time() + SHUTDOWN_DRAIN)
        self.options.poller.poll = poll_until(self.options.poller.poll, time.monotonic() + SHUTDOWN)

    def ordered_stop_groups_phase_1(self) -> None:
        """Stop the groups of the highest priority, all at once: supervisord stops one after the other."""
        for group in self.stop_groups:
            if group == self.stop_groups[-1]:  # in priority
                group.stop_all()

    def ordered_stop_groups_phase_2(self) -> None:
        """Go on to the next ones as soon as these are down: supervisord forgets one group in a turn."""
        while self.stop_groups and not self.stop_groups[-1].get_unstopped_processes():
            self.stop_groups.pop()

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
