"""Starts again what should be served and is down, with growing pauses, for ever."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from control.deployment.api import Api

STABLE = 60.0  # seconds of service after which the pauses begin anew
# At the start of a container all APIs are down: more starts at once than processors would only make each slower. One
# that takes longer than a turn, in seconds, does not keep the others waiting: it installs packages, or hangs.
TURN = 15.0
_turns = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for a turn, and have it for this block or for TURN, whichever is shorter."""
    turns = deque([_turns])

    def give_back() -> None:
        with suppress(IndexError):  # it was given back
            turns.pop().release()

    turns[0].acquire()
    timer = threading.Timer(TURN, give_back)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        give_back()


class Recovery:
    def __init__(self, api: Api, publish: Callable[[], None]) -> None:
        self.api = api
        self.publish = publish

    def poll(self) -> None:
        """Start the API if it is missing, and if it is time for that; raises as Api.start_again does."""
        backoff = self.api.backoff
        if not self.api.is_missing():
            if backoff.attempts and backoff.age > STABLE:
                backoff.reset()
        elif backoff.is_due:
            with _turn(), self.api.change(f"Starting {self.api.name}."):
                if self.api.is_missing():  # neither stopped nor started meanwhile
                    self._start()

    def _start(self) -> None:
        print(f"{self.api.name} should be served and is not: starting it.", flush=True)
        try:
            self.api.start_again(self.publish)
        finally:
            self.api.backoff.advance()
