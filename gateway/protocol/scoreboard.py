"""A page of memory that a worker and the arbiter share: what the worker is doing, readable from outside.

A kernel that is dead, or stuck in C code that holds the GIL, cannot tell what it was running. So before a
cell runs the worker writes which request it is for into a slot here, and clears the slot after; it costs
about a microsecond. A slot read in the instant it is written may mix two requests: what hangs or has died
does not write, so look twice before acting on one.

    header  64 bytes                 magic, pid, state
    slots   64 of them, of 84 bytes  start (seconds of time.monotonic, 0 = free), limit (seconds),
                                     endpoint (index in Config.endpoints), request id

Requests beyond the 64th, all of them waiting in cells with `await`, are not shown.
"""

import mmap
import os
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

SLOTS = 64
_MAGIC = b"nbpage1\0"
_HEADER = struct.Struct("<8sII")
_SLOT = struct.Struct("<ddi64s")
_START = struct.Struct("<d")
_SLOTS_AT = 64
SIZE = _SLOTS_AT + SLOTS * _SLOT.size


class State(IntEnum):
    STARTING = 0
    SERVING = 1
    DRAINING = 2


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """A request that runs, or ran when its kernel died."""

    request_id: str
    endpoint: int
    started: float
    limit_s: float

    def overdue_s(self) -> float:
        """Seconds beyond its limit, negative while it has time left."""
        return time.monotonic() - self.started - self.limit_s


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All a page says, at one time."""

    pid: int
    state: State
    running: tuple[RunningRequest, ...]


def create(name: str) -> int:
    """A new page; returns its descriptor, which the caller owns and sends to the worker."""
    fd = os.memfd_create(name)
    os.truncate(fd, SIZE)
    return fd


def read(fd: int) -> Snapshot:
    """What the page behind `fd` says. ValueError: no worker has written to it yet."""
    data = os.pread(fd, SIZE, 0)
    magic, pid, state = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("the page has not been opened by a worker")
    slots = (_SLOT.unpack_from(data, _SLOTS_AT + n * _SLOT.size) for n in range(SLOTS))
    running = tuple(
        RunningRequest(request_id.rstrip(b"\0").decode("ascii", "replace"), endpoint, start, limit)
        for start, limit, endpoint, request_id in slots
        if start
    )
    return Snapshot(pid, State(state), running)


class Scoreboard:
    """The worker's side. One thread writes."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SIZE)
        self._free = [_SLOTS_AT + n * _SLOT.size for n in reversed(range(SLOTS))]
        self.set_state(State.STARTING)

    def set_state(self, state: State) -> None:
        _HEADER.pack_into(self._memory, 0, _MAGIC, os.getpid(), state)

    def begin(self, request_id: bytes, endpoint: int, started: float, limit_s: float) -> int:
        """Note that a request starts; returns what `end` wants."""
        if not self._free:
            return 0
        slot = self._free.pop()
        _SLOT.pack_into(self._memory, slot, started, limit_s, endpoint, request_id)
        return slot

    def end(self, slot: int) -> None:
        """Note that the request in `slot` is over."""
        if slot:
            _START.pack_into(self._memory, slot, 0.0)
            self._free.append(slot)
