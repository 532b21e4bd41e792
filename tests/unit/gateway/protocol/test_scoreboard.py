"""What the shared memory shows of running requests."""

import os
import time

import pytest

from gateway.protocol import scoreboard


def test_the_scoreboard_shows_from_outside_what_runs() -> None:
    fd = scoreboard.create("test")
    with pytest.raises(ValueError, match="not been opened"):
        scoreboard.read(fd)
    ours = scoreboard.Scoreboard(fd)
    slot = ours.begin(b"request-1", time.monotonic(), 1.5)
    snapshot = scoreboard.read(fd)
    assert snapshot.pid == os.getpid()
    (running,) = snapshot.running
    assert (running.request_id, running.limit_s, running.is_decoded) == ("request-1", 1.5, False)
    assert -1.5 < running.overdue_s() < 0
    ours.mark_decoded(slot)
    assert scoreboard.read(fd).running[0].is_decoded
    ours.end(slot)
    assert scoreboard.read(fd).running == ()
    ours.begin(b"request-2", 1.0, 1.0)
    assert not scoreboard.read(fd).running[0].is_decoded
    os.close(fd)


def test_more_requests_than_slots_do_no_harm() -> None:
    fd = scoreboard.create("test")
    ours = scoreboard.Scoreboard(fd)
    slots = [ours.begin(b"r", 1.0, 1.0) for _ in range(scoreboard.SLOTS + 3)]
    assert len(scoreboard.read(fd).running) == scoreboard.SLOTS
    for slot in slots:
        ours.mark_decoded(slot)
        ours.end(slot)
    assert scoreboard.read(fd).pid == os.getpid()
    assert scoreboard.read(fd).running == ()
    assert ours.begin(b"r", 1.0, 1.0) in slots
    os.close(fd)
