"""Watches the APIs, in threads of the control app, which is one process. They end when the stack shuts down."""

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from control.config.errors import ApiError
from control.deployment.api import Api
from control.deployment.deployment import Deployment
from control.deployment.recovery import Recovery
from control.deployment.reloader import Reloader
from control.supervision.client import ShutdownInProgress, SupervisorError

# Seconds between two polls. Polling works on network volumes too, which send no events of others' writes, and costs one
# open() while nothing changes.
POLL = 0.1
POLL_WITHOUT_RELOAD = 0.5


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


class ApiWatcher:
    """Watches one API, in a thread of its own: a start that hangs delays no other."""

    def __init__(self, api: Api, deployment: Deployment) -> None:
        self.api = api
        self.deployment = deployment
        publish = deployment.routes.publisher(api.name, lambda serving: not serving.apis)
        self.recovery = Recovery(api, publish)
        self.reloader = Reloader(api, publish, lambda: not deployment.serving.apis)
        self.duties = [
            Duty(f"Recovery of {api.name}", self.recovery.poll, interval=1.0),
            Duty(f"Standby of {api.name}", self.keep_standby, interval=1.0),
            Duty(f"Reload of {api.name} on save", self.reload),
        ]

    def run(self) -> None:
        """Watch until the API is stopped, or the stack shuts down."""
        with suppress(ShutdownInProgress):
            while self.api.is_of_interest():
                for duty in self.duties:
                    duty.run()
                time.sleep(POLL if self.api.reload.is_on() else POLL_WITHOUT_RELOAD)

    def keep_standby(self) -> None:
        """Have a gateway on standby where the next save is expected, which is where the last one was."""
        with self.api.lock:
            expected = self.deployment.last_saved or self.deployment.serving.default
            is_expected = self.api.name == (expected or self.api.name) and self.reloader.is_active()
            self.api.slots.set_standby(self.api.slots.link.idle_slot(), is_expected)

    def reload(self) -> None:
        """Restart the API if its code was saved."""
        if self.reloader.poll():
            self.deployment.last_saved = self.api.name


class Watcher:
    """Has a thread for each API."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.resume = Duty("Start", deployment.resume)
        self.look = Duty("Watcher", self.watch)
        self.threads: dict[str, threading.Thread] = {}

    def run(self) -> None:
        """Watch until the stack shuts down."""
        with suppress(ShutdownInProgress):
            self.resume.run()
            while True:
                self.look.run()
                time.sleep(POLL)

    def watch(self) -> None:
        """Start the threads that are missing, that of the default API first."""
        default = self.deployment.serving.default
        for api in sorted(self.deployment.apis(), key=lambda api: api.name != default):
            thread = self.threads.get(api.name)
            if thread is None or not thread.is_alive():
                watcher = ApiWatcher(api, self.deployment)
                thread = threading.Thread(target=watcher.run, name=f"watcher of {api.name}", daemon=True)
                self.threads[api.name] = thread
                thread.start()
