"""Who guesses passwords: a caller who gives many wrong ones gets few requests looked at, until it has been quiet.

nginx tells of each wrong password, with the caller's address, or with the network of an IPv6 address. A file of that
name in a folder of the run directory has nginx let 20 requests a second of that caller through (conf/nginx.conf.j2); so
what nginx goes by outlives this program.
"""

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from control.traffic.summary import Summary

FAILURES = 20  # wrong passwords, …
WITHIN = 10.0  # … in so many seconds, limit a caller, …
QUIET = 60.0  # … until there was none for so many
MOST = 10_000  # callers that are remembered, of each kind: the oldest are forgotten
NAMED = 3  # callers that a line of the log names

CALLER = re.compile(r"[0-9a-f.:]{2,45}")


class LoginLimit:
    """Not thread-safe: one thread calls `failed` and `tick`. Callers that an earlier program limited still are."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._limited: dict[str, float] = {file.name: clock() for file in folder.iterdir()}  # by the last failure
        self._new: list[str] = []
        self._summary = Summary("wrong passwords")

    def failed(self, message: bytes) -> None:
        """A caller gave a wrong password. ValueError: that is no caller. OSError: the folder cannot be written to."""
        caller, now = message.decode("ascii"), self._clock()
        if not CALLER.fullmatch(caller):
            raise ValueError(f"no address: {caller!r}")
        self._summary.count(f"from {caller}")
        if caller in self._limited:
            self._limited[caller] = now
            return
        times = self._failures.pop(caller, None) or deque(maxlen=FAILURES)
        times.append(now)
        if len(times) == FAILURES and now - times[0] <= WITHIN:
            self._limit(caller, now)
        else:
            self._failures[caller] = times  # at the end, where the newest are
            if len(self._failures) > MOST:
                del self._failures[next(iter(self._failures))]

    def tick(self) -> None:
        """Let those go on who were quiet, and print what has happened; called once a second."""
        self._summary.tick()
        quiet = [caller for caller, last in self._limited.items() if self._clock() - last >= QUIET]
        for caller in quiet:
            self._release(caller)
        for caller in [caller for caller, times in self._failures.items() if self._clock() - times[-1] > WITHIN]:
            del self._failures[caller]
        if self._new:
            print(
                f"{named(self._new)} gave {FAILURES} wrong passwords within {WITHIN:.0f} s: few requests from there "
                "are looked at until there was none for a minute. A proxy in front belongs into TRUSTED_PROXIES.",
                flush=True,
            )
        if quiet:
            print(f"{named(quiet)} has been quiet: requests from there are looked at again.", flush=True)
        self._new = []

    def _limit(self, caller: str, now: float) -> None:
        if len(self._limited) >= MOST:
            self._release(min(self._limited, key=self._limited.__getitem__))
        (self._folder / caller).touch()
        self._limited[caller] = now
        self._new.append(caller)

    def _release(self, caller: str) -> None:
        (self._folder / caller).unlink(missing_ok=True)
        del self._limited[caller]


def named(callers: list[str]) -> str:
    """The first callers by name, and how many others there are."""
    more = len(callers) - NAMED
    return ", ".join(callers[:NAMED]) + (f" and {more} others" if more > 0 else "")
