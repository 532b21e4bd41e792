"""`python -m control.supervision.daemon`: supervisord in the foreground, with what it lacks for this stack.

supervisord is used as a library so that three things need no further process: each line that a program
prints carries the program's name, a program's death takes its leftover children with it, and a program
that cannot be kept up ends the stack with an exit status that is not 0.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections import defaultdict, deque
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from supervisor import events, loggers
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.logs.lines import Lines, without_request
from control.supervision.process_tree import kill_descendants, kill_kernels_of
from control.supervision.wakeup import Waker, at_shutdown

API_GROUP = "gateway"
API_LOG_BYTES = 10_000_000
# `docker stop` kills after 10 s. Requests in flight get the first 6 of them; see conf/supervisord.conf.j2.
DRAIN_AT_SHUTDOWN = 6  # seconds
SHUTDOWN = 9.2  # seconds, after which what is left is killed
TOO_MANY_DEATHS = 5
DEATHS_WITHIN = 30  # seconds
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def main() -> None:
    """Run the stack until a signal or a program that cannot be kept up ends it; exits 0 or 1."""
    run = RunDir(Settings.from_env().run_dir)
    # Kernels whose parent was killed become our children, so that none can outlive the stack.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    options = Options()
    options.realize(["-c", str(run.supervisord_conf)])
    options.first = True
    options.test = False
    stack = Stack(options, Output(run.api_log))
    try:
        with suppress(asyncore.ExitNow):  # how supervisord leaves its loop
            stack.main()
    finally:
        kill_descendants(os.getpid())
    if stack.lost:
        sys.exit(stack.lost)


class Options(ServerOptions):  # type: ignore[misc]
    """supervisord's options, logging to stdout with the program's name in front as all others do."""

    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        loggers.handle_stdout(self.logger, "supervisord | %(levelname)s %(message)s\n")
        for message in self.parse_warnings:
            self.logger.warn(message)

    def openhttpservers(self, supervisord: Supervisor) -> None:
        """Without the alarm that the socket asks for no password: nobody but this user can open it."""
        level, self.logger.level = self.logger.level, loggers.LevelsByName.CRIT + 1
        try:
            super().openhttpservers(supervisord)
        finally:
            self.logger.level = level


class Output:
    """Prints what the programs print, line by line, each with its program's name."""

    def __init__(self, api_log: Path) -> None:
        self.lines: dict[str, Lines] = defaultdict(Lines)
        self.last: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=5))
        self.api_log = logging.getLogger("api")
        self.api_log.propagate = False
        self.api_log.setLevel(logging.INFO)
        self.api_log.addHandler(RotatingFileHandler(api_log, maxBytes=API_LOG_BYTES, backupCount=1))

    def received(self, event: Any) -> None:
        """Take a chunk of a program's output: its lines as they are complete."""
        data = event.data if isinstance(event.data, bytes) else event.data.encode()
        for line in self.lines[event.process.config.name].take(data):
            self.line(event.process, line)

    def ended(self, process: Any) -> None:
        """Print the unfinished line of a program that has ended: often the one that says why."""
        if rest := self.lines[process.config.name].end():
            self.line(process, rest)

    def line(self, process: Any, text: str) -> None:
        """Print one line, and keep it: for the log of the API, and to say why a program was lost."""
        name = process.config.name
        if name == "nginx":
            text = without_request(text)
        self.last[name].append(text)
        if process.group.config.name == API_GROUP:
            self.api_log.info("%s", text)
        print(f"{name} | {text}", flush=True)


class Stack(Supervisor):  # type: ignore[misc]
    """supervisord with this stack's rules for output, for leftovers and for programs it cannot keep up."""

    def __init__(self, options: Options, output: Output) -> None:
        super().__init__(options)
        self.output = output
        self.lost: str | None = None
        self.deaths: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=TOO_MANY_DEATHS))

    def runforever(self) -> None:
        # Not in __init__: supervisord forgets all subscriptions just before it calls this.
        events.subscribe(events.ProcessLogStdoutEvent, self.output.received)
        events.subscribe(events.ProcessStateFatalEvent, self.on_fatal)
        events.subscribe(events.SupervisorStoppingEvent, self.on_stopping)
        for ended in (
            events.ProcessStateExitedEvent,
            events.ProcessStateBackoffEvent,
            events.ProcessStateStoppedEvent,
        ):
            events.subscribe(ended, self.on_ended)
        Waker()
        super().runforever()

    def on_fatal(self, event: Any) -> None:
        """End the stack when one of its own programs is lost; an API that does not run never does that."""
        process = event.process
        if process.group.config.name != API_GROUP:
            self.give_up(process)

    def give_up(self, process: Any) -> None:
        """End the stack, and keep for its last words which program could not be kept up."""
        if self.lost:
            return
        name = process.config.name
        why = "\n".join(f"  {line}" for line in self.output.last[name]) or f"  {process.spawnerr}"
        self.lost = f"error: {name} could not be kept up, so the stack has ended. Its last lines:\n{why}"
        self.options.mood = SupervisorStates.SHUTDOWN

    def on_stopping(self, _event: Any) -> None:
        """Shorten the time that requests in flight get: at a shutdown somebody waits for its end."""
        for process in self.process_groups[API_GROUP].processes.values():
            process.config.stopwaitsecs = min(process.config.stopwaitsecs, DRAIN_AT_SHUTDOWN)
        self.options.poller.poll = at_shutdown(self.options.poller.poll, time.monotonic() + SHUTDOWN)

    def on_ended(self, event: Any) -> None:
        """Kill what a dead program left behind, and notice one that dies again and again."""
        process = event.process
        self.output.ended(process)
        if process.pid:
            # Orphaned nginx workers would keep the port from the next nginx.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            kill_kernels_of(process.pid)
        # supervisord counts only starts that fail within startsecs; a program that dies just after
        # would be started for ever.
        if self.options.mood == SupervisorStates.RUNNING and process.group.config.name != API_GROUP:
            deaths = self.deaths[process.config.name]
            deaths.append(time.monotonic())
            if len(deaths) == deaths.maxlen and deaths[-1] - deaths[0] < DEATHS_WITHIN:
                self.give_up(process)


if __name__ == "__main__":
    main()
