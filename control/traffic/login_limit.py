"""Limits callers who send many wrong passwords to few requests per second, until they have been quiet.

nginx reports each wrong password with the caller's address, or with the network of an IPv6 address. A file of that
name in a folder of the run directory makes nginx limit that caller to 20 requests per second (conf/nginx.conf.j2), so
a limit outlives this program.
"""

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from control.traffic.summary import Summary

MAX_FAILURES = 20  # wrong passwords, …
WINDOW = 10.0  # … in so many seconds, limit a caller, …
QUIET = 60.0  # … until so many seconds pass without one
MAX_CALLERS = 10_000  # remembered, limited and not limited: the oldest are forgotten
MAX_NAMES = 3  # callers that a log line names
CALLER = re.compile(r"[0-9a-f.:]{2,45}")


class LoginLimit:
    """Not thread-safe: one thread calls `add_failure` and `tick`. Limits set by an earlier process stay in force."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._limited: dict[str, float] = {file.name: clock() for file in folder.iterdir()}  # time of the last failure
        self._new: list[str] = []
        self._summary = Summary("wrong passwords")

    def add_failure(self, message: bytes) -> None:
        """Count a caller's wrong password. ValueError: invalid address. OSError: the folder is not writable."""
        caller, now = message.decode("ascii"), self._clock()
        if not CALLER.fullmatch(caller):
            raise ValueError(f"no address: {caller!r}")
        self._summary.count(f"from {caller}")
        if caller in self._limited:
            self._limited[caller] = now
            return
        times = self._failures.pop(caller, None) or deque(maxlen=MAX_FAILURES)
        times.append(now)
        if len(times) == MAX_FAILURES and now - times[0] <= WINDOW:
            self._limit(caller, now)
        else:
            self._failures[caller] = times  # at the end, where the newest are
            if len(self._failures) > MAX_CALLERS:
                del self._failures[next(iter(self._failures))]

    def tick(self) -> None:
        """Release quiet callers and log what has changed; called once a second."""
        self._summary.tick()
        quiet = [caller for caller, last in self._limited.items() if self._clock() - last >= QUIET]
        for caller in quiet:
            self._release(caller)
        for caller in [caller for caller, times in self._failures.items() if self._clock() - times[-1] > WINDOW]:
            del self._failures[caller]
        if self._new:
            print(
                f"{join_names(self._new)} sent {MAX_FAILURES} wrong passwords within {WINDOW:.0f} s: limited to few "
                "requests per second until a minute passes without one. List your own proxies in TRUSTED_PROXIES.",
                flush=True,
            )
        if quiet:
            print(f"{join_names(quiet)} sent no wrong password for a minute: no longer limited.", flush=True)
        self._new = []

    def _limit(self, caller: str, now: float) -> None:
        if len(self._limited) >= MAX_CALLERS:
            self._release(min(self._limited, key=self._limited.__getitem__))
        (self._folder / caller).touch()
        self._limited[caller] = now
        self._new.append(caller)

    def _release(self, caller: str) -> None:
        (self._folder / caller).unlink(missing_ok=True)
        del self._limited[caller]


def join_names(callers: list[str]) -> str:
    """The first callers by name, and how many others there are."""
    more = len(callers) - MAX_NAMES
    return ", ".join(callers[:MAX_NAMES]) + (f" and {more} others" if more > 0 else "")
