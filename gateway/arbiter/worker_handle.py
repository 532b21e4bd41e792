"""Attaches, watches and kills one worker: a kernel that serves requests."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.arbiter.channel import WorkerChannel
from gateway.arbiter.crash_verdicts import CrashVerdicts, Verdict
from gateway.notebook.failure import Failure, NotebookError
from gateway.protocol import scoreboard
from gateway.protocol.messages import Config, Message, StaticText
from gateway.protocol.scoreboard import RunningRequest, Snapshot

# Seconds from the interrupt of a cell at its limit to the kill; see gateway/worker/time_limit.py.
GRACE = 2.0
# Pings in a row, PING_AFTER apart (gateway/arbiter/pool.py), to which a worker replies that it cannot accept: requests
# that await may hold all descriptors for a moment.
MAX_REFUSALS = 2


# Of a worker's "compiled" message, the documents that it serves: Config.static.
Document = Callable[[Message], dict[str, StaticText]]


class WorkerHandle:
    """A worker's channel and scoreboard. `kernel_id` is the kernel manager's.

    `retirement` is set once the worker is to accept no more: it has exited, has no file descriptors left, or its slot
    is being drained.
    """

    def __init__(self, kernel_id: str, channel: WorkerChannel) -> None:
        self.kernel_id = kernel_id
        self.channel = channel
        self.scoreboard_fd = scoreboard.create(f"worker-{kernel_id}")
        self.retirement, self.drained = asyncio.Event(), asyncio.Event()
        self.has_exited = self.is_timed_out = False
        self._refusals = 0
        self._overdue: set[RunningRequest] = set()  # at the last check
        self.last_message = self.last_ping = time.monotonic()

    async def attach(self, listener: int, config: Config, document: Document) -> None:
        """Hand over the listening socket; returns when the worker accepts, raises NotebookError.

        `document` makes, of a description of the functions, the documents that the worker serves.
        """
        await self.channel.send({"do": "serve", "config": config.to_json()}, (listener, self.scoreboard_fd))
        reply = await self._receive_reply()
        if reply["did"] == "failed":
            raise _compile_error(reply["errors"])
        await self.channel.send({"do": "accept", "static": document(reply)})
        await self._receive_reply()

    async def _receive_reply(self) -> Message:
        reply = await self.channel.receive()
        if reply is None:
            raise NotebookError.outside_cells("KernelDied", "the kernel ended before it accepted requests")
        return reply

    async def read_messages(self) -> None:
        """Read messages until the kernel exits."""
        while (message := await self.channel.receive()) is not None:
            self.last_message = time.monotonic()
            if message["did"] == "drained":
                self.drained.set()
            elif message["did"] == "pong":
                self._refusals = 0 if message["can_accept"] else self._refusals + 1
                if self._refusals == MAX_REFUSALS:
                    self.retirement.set()
        self.has_exited = True
        self.retirement.set()
        self.drained.set()

    async def drain(self) -> None:
        """Have it answer its requests and the backlog, and accept no more; returns when it has."""
        await self.channel.send({"do": "drain"})
        await self.drained.wait()

    def snapshot(self) -> Snapshot | None:
        """Its requests; None before it serves."""
        with suppress(ValueError):
            return scoreboard.read(self.scoreboard_fd)
        return None

    def requests(self) -> tuple[RunningRequest, ...]:
        """The requests that it runs, or did when it died."""
        snapshot = self.snapshot()
        return snapshot.running if snapshot else ()

    def is_running(self, request_id: str) -> bool:
        return any(request.request_id == request_id for request in self.requests())

    async def ping(self) -> None:
        """Send a ping, unless one is unanswered; the kernel's main loop replies."""
        if self.last_ping <= self.last_message:
            self.last_ping = time.monotonic()
            await self.channel.send({"do": "ping"})

    def kill_if_stuck(self, max_silence: float) -> None:
        """Kill a kernel whose cell goes on after it was interrupted at its limit.

        Also one that was silent for longer than any cell may run: something else blocks it.
        """
        snapshot = self.snapshot()
        if snapshot is None:
            return
        overdue = {request for request in snapshot.running if request.overdue_s() > GRACE}
        is_stuck = not overdue.isdisjoint(self._overdue)  # seen twice, as the scoreboard demands
        self._overdue = overdue
        # Only an unanswered ping counts: a container that was paused was silent too.
        is_silent = self.last_ping > self.last_message and time.monotonic() - self.last_ping > max_silence
        if is_stuck or is_silent:
            self.is_timed_out = True
            with suppress(ProcessLookupError):
                os.kill(snapshot.pid, signal.SIGKILL)

    def record_crash(self, verdicts: CrashVerdicts) -> None:
        """Store a verdict on each request that a dead kernel was running."""
        for request in self.requests():
            verdicts.add(request.request_id, self._verdict(request))

    def close(self) -> None:
        self.channel.close()
        os.close(self.scoreboard_fd)

    def _verdict(self, request: RunningRequest) -> Verdict:
        if self.is_timed_out and request.overdue_s() > 0:
            return Verdict(504, "timeout", self._describe_timeout(request))
        work = "worked on this request" if request.is_decoded else "decoded this request, before a cell ran"
        return Verdict(502, "kernel-died", f"The kernel ended while it {work}. The log says why.")

    def _describe_timeout(self, request: RunningRequest) -> str:
        limit = f"{request.limit_s:g} s"
        if request.is_decoded:
            return f"The cell ran longer than {limit} and could not be interrupted."
        return (
            f"The request could not be decoded within {limit}, and that could not be interrupted: its body has too "
            "many values, or a validator takes too long."
        )


def _compile_error(errors: list[Message]) -> NotebookError:
    first = errors[0]
    name, _, value = first["message"].partition(": ")
    traceback = "\n".join(f"Cell {e['cell']}, line {e['line']}: {e['message']}" for e in errors)
    return NotebookError(Failure(first["cell"], first["line"], name, value, traceback))
