"""Shared memory in which a worker shows the arbiter which requests it is running.

A kernel that is dead, or stuck in C code that holds the GIL, cannot report what it was running. So before a cell
runs, the worker writes the request into a slot, and clears the slot afterwards; this takes about a microsecond. Between
these it notes when the request is decoded, as decoding alone may take too long or end the kernel.
A slot that is read while it is written may mix two requests. Its deadline alone decides whether a kernel is stuck, and
is never torn: it is in the machine's byte order, so that it is stored at once, and no slot shares a cache line (64
bytes) with another. A hung or dead kernel does not write: read twice before acting on a slot.

    header  64 bytes                  magic, pid
    slots   64 of them, of 128 bytes  deadline (seconds of time.monotonic, 0 = free), limit (seconds), request id,
                                      whether it is decoded

Requests beyond the 64th, all of them awaiting, are not shown.
"""

import mmap
import os
import struct
import time
from dataclasses import dataclass

SLOTS = 64
_MAGIC = b"nbboard1"
_HEADER = struct.Struct("<8sI")
_SLOT = struct.Struct("@dd64s?47x")
_DECODED = struct.calcsize("@dd64s")  # its place in a slot
_DEADLINE = struct.Struct("@d")
_SLOTS_AT = 64
SIZE = _SLOTS_AT + SLOTS * _SLOT.size


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """A request that is running, or was when its kernel died."""

    request_id: str
    deadline: float  # seconds of time.monotonic
    limit_s: float
    is_decoded: bool  # if not, no cell has run for it

    def overdue_s(self) -> float:
        """Seconds beyond its limit, negative while it has time left."""
        return time.monotonic() - self.deadline


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A scoreboard's content at one time."""

    pid: int
    running: tuple[RunningRequest, ...]


def create(name: str) -> int:
    """Allocate a scoreboard; returns its descriptor, which the caller owns and sends to the worker."""
    fd = os.memfd_create(name)
    os.truncate(fd, SIZE)
    return fd


def read(fd: int) -> Snapshot:
    """The content of the scoreboard behind `fd`. ValueError: no worker has opened it yet."""
    data = os.pread(fd, SIZE, 0)
    magic, pid = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("the scoreboard has not been opened by a worker")
    slots = (_SLOT.unpack_from(data, _SLOTS_AT + n * _SLOT.size) for n in range(SLOTS))
    running = tuple(
        RunningRequest(request_id.rstrip(b"\0").decode("ascii", "replace"), deadline, limit, is_decoded)
        for deadline, limit, request_id, is_decoded in slots
        if deadline
    )
    return Snapshot(pid, running)


class Scoreboard:
    """The worker's side; only one thread may write."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SIZE)
        self._free = [_SLOTS_AT + n * _SLOT.size for n in reversed(range(SLOTS))]
        _HEADER.pack_into(self._memory, 0, _MAGIC, os.getpid())

    def begin(self, request_id: bytes, started: float, limit_s: float, is_decoded: bool = False) -> int:
        """Show that a request starts; returns its slot, for the other methods."""
        if not self._free:
            return 0
        slot = self._free.pop()
        _SLOT.pack_into(self._memory, slot, started + limit_s, limit_s, request_id, is_decoded)
        return slot

    def mark_decoded(self, slot: int) -> None:
        """Show that the request in `slot` is decoded."""
        if slot:
            self._memory[slot + _DECODED] = 1

    def end(self, slot: int) -> None:
        """Show that the request in `slot` is over."""
        if slot:
            _DEADLINE.pack_into(self._memory, slot, 0.0)
            self._free.append(slot)
