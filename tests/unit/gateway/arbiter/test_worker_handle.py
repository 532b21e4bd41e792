"""When a worker is killed."""

import os
import signal
import socket
import time

import pytest

from gateway.arbiter import worker_handle
from gateway.arbiter.channel import WorkerChannel
from gateway.arbiter.worker_handle import GRACE, WorkerHandle
from gateway.protocol.scoreboard import Scoreboard


def test_a_request_is_stuck_only_if_two_looks_find_it_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    kills: list[tuple[int, int]] = []
    monkeypatch.setattr(worker_handle.os, "kill", lambda pid, number: kills.append((pid, number)))
    ours, theirs = socket.socketpair()
    with theirs:
        worker = WorkerHandle("kernel", WorkerChannel(ours))
        scoreboard = Scoreboard(worker.scoreboard_fd)
        long_ago = time.monotonic() - GRACE - 10

        for request_id in (b"torn", b"another", b"stuck"):
            slot = scoreboard.begin(request_id, long_ago, 1.0)
            worker.kill_if_stuck(max_silence=60)
            assert kills == []
            if request_id != b"stuck":
                scoreboard.end(slot)
        worker.kill_if_stuck(max_silence=60)
        assert kills == [(os.getpid(), signal.SIGKILL)]
        worker.close()
