"""One kernel that answers requests, as the arbiter sees it: attached, watched from outside, and ended."""

import asyncio
import os
import signal
import time
from contextlib import suppress

from gateway.arbiter.channel import WorkerChannel
from gateway.arbiter.crash_verdicts import CrashVerdicts, Verdict
from gateway.notebook.failure import Failure, NotebookError
from gateway.protocol import scoreboard
from gateway.protocol.messages import Config, Message
from gateway.protocol.scoreboard import RunningRequest, Snapshot

# A cell has this long (seconds) to give way after its limit; see gateway/worker/time_limit.py.
GRACE = 2.0


class WorkerHandle:
    """A kernel's channel and page. `kernel_id` is the kernel manager's."""

    def __init__(self, kernel_id: str, channel: WorkerChannel) -> None:
        self.kernel_id = kernel_id
        self.channel = channel
        self.page = scoreboard.create(f"worker-{kernel_id}")
        self.drained = asyncio.Event()
        self.is_overdue = False
        self.heard = self.asked = time.monotonic()

    async def attach(self, listener: int, config: Config) -> None:
        """Hand over the listening socket; returns when the kernel takes requests, raises NotebookError."""
        serve: Message = {"do": "serve", "config": config.to_json()}
        await self.channel.send(serve, (listener, self.page))
        answer = await self.channel.receive()
        if answer is None:
            raise NotebookError.outside_cells("KernelDied", "the kernel ended before it took requests")
        if answer["did"] == "failed":
            raise _does_not_compile(answer["errors"])

    async def wait_until_exit(self) -> None:
        """Listen until the kernel is gone."""
        while (message := await self.channel.receive()) is not None:
            self.heard = time.monotonic()
            if message["did"] == "drained":
                self.drained.set()
        self.drained.set()

    async def drain(self) -> None:
        """Have it answer what it has and what waits, and take nothing more; returns when it has."""
        await self.channel.send({"do": "drain"})
        await self.drained.wait()

    def look(self) -> Snapshot | None:
        """What it is doing; None before it has begun."""
        with suppress(ValueError):
            return scoreboard.read(self.page)
        return None

    def is_running(self, request_id: str) -> bool:
        """Whether it is in that request, or was when it died."""
        now = self.look()
        return now is not None and any(running.request_id == request_id for running in now.running)

    async def ping(self) -> None:
        """Ask once for a sign of life, which a kernel gives when its main loop comes to it."""
        if self.asked <= self.heard:
            self.asked = time.monotonic()
            await self.channel.send({"do": "ping"})

    def kill_if_stuck(self, longest_silence: float) -> None:
        """End a kernel that runs a cell beyond its limit and does not give way.

        Also one that was silent for longer than any cell may run: something else than a request blocks it.
        """
        now = self.look()
        # Only an unanswered question counts: a container that was paused was silent too.
        is_silent = self.asked > self.heard and time.monotonic() - self.asked > longest_silence
        if now and (is_silent or any(running.overdue_s() > GRACE for running in now.running)):
            self.is_overdue = True
            with suppress(ProcessLookupError):
                os.kill(now.pid, signal.SIGKILL)

    def record_crash(self, casualties: CrashVerdicts) -> int:
        """Say what became of the requests that the dead kernel was in; returns their number."""
        last = self.look()
        running = last.running if last else ()
        for request in running:
            casualties.add(request.request_id, self._verdict(request))
        self.close()
        return len(running)

    def close(self) -> None:
        """Let go of the channel and the page."""
        self.channel.close()
        os.close(self.page)

    def _verdict(self, request: RunningRequest) -> Verdict:
        if self.is_overdue and request.overdue_s() > 0:
            message = f"The cell ran longer than {request.limit_s:g} s and could not be interrupted."
            return Verdict(504, "timeout", message)
        message = "The kernel ended while it worked on this request. The log tells why."
        return Verdict(502, "kernel-died", message)


def _does_not_compile(errors: list[Message]) -> NotebookError:
    first = errors[0]
    name, _, value = first["message"].partition(": ")
    traceback = "\n".join(f"Cell {e['cell']}, line {e['line']}: {e['message']}" for e in errors)
    return NotebookError(Failure(first["cell"], first["line"], name, value, traceback))
