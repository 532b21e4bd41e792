"""The stack's only watcher: a thread of the control app, which is one process. It ends when the stack shuts down."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from control.config.errors import ApiError
from control.deployment.deployment import Deployment
from control.deployment.recovery import Recovery
from control.deployment.reloader import Reloader
from control.supervision.client import ShutdownInProgress, SupervisorError

# Seconds between two polls. Polling works on network volumes too, which send no events of others' writes, and costs one
# open() while nothing changes.
POLL = 0.1


@dataclass
class Duty:
    """Something to `poll`, at most once in `interval` seconds."""

    name: str
    poll: Callable[[], None]
    interval: float = 0.0
    _next: float = field(default=0.0, init=False)  # monotonic
    _error: str = field(default="", init=False)  # of the last poll

    def run(self) -> None:
        """Poll if it is time. What that raises is printed, once, and ends only this poll. Raises ShutdownInProgress."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.interval
        try:
            self.poll()
            self._error = ""
        except ShutdownInProgress:
            raise
        except Exception as error:
            if repr(error) != self._error:
                self._error = repr(error)
                self._print(error)

    def _print(self, error: Exception) -> None:
        is_expected = isinstance(error, ApiError | SupervisorError | OSError)  # the homepage reports it from the status
        text = str(error) if is_expected else traceback.format_exc()
        with suppress(Exception):  # nobody may read the output any more
            print(f"{self.name}: {text}", flush=True)


class Watcher:
    def __init__(self, api: Deployment) -> None:
        reloader = Reloader(api)
        self.resume = Duty("Start", api.resume)
        self.duties = [
            Duty("Recovery", Recovery(api).poll, interval=1.0),
            Duty("Standby", reloader.keep_standby, interval=1.0),
            Duty("Reload on save", reloader.poll),
        ]

    def run(self) -> None:
        """Watch until the stack shuts down."""
        try:
            self.resume.run()
            while True:
                for duty in self.duties:
                    duty.run()
                time.sleep(POLL)
        except ShutdownInProgress:
            return
