"""When a recorder sends requests: the first of a second at once, the others together, and all of them once."""

import asyncio
import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control.traffic.batch_server import BatchServer
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.records import recorder as module
from gateway.records.recorder import PERIOD_S, SENT_AT_ONCE, Recorder

DEADLINE_S = 10.0
MANY = 500

Batches = list[dict[str, Any]]


@pytest.fixture
def batches(tmp_path: Path) -> Iterator[Batches]:
    """What the control app has received at `tmp_path / "r.sock"`."""
    batches: Batches = []
    with BatchServer(tmp_path / "r.sock", batches.append) as server:
        server.start()
        yield batches
        server.shutdown()


def record(recorder: Recorder, number: int) -> None:
    request = Request("GET", f"/{number}".encode(), {}, b"")
    recorder.record_request(request, b"", Response(200, [], b"x"), time.monotonic(), 1, 0)


def count(batches: Batches) -> int:
    return sum(sum(buckets) for batch in batches for *_, buckets in batch["requests"])


async def wait_for(batches: Batches, requests: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while count(batches) < requests:
            await asyncio.sleep(0.01)


def test_the_first_requests_of_a_second_are_sent_at_once_and_the_others_together(
    tmp_path: Path, batches: Batches
) -> None:
    async def run() -> None:
        recorder = Recorder(tmp_path / "r.sock", "shop", ["/x"], keeps_records=True)
        started = time.monotonic()
        for number in range(MANY):
            record(recorder, number)
        await wait_for(batches, SENT_AT_ONCE)
        await wait_for(batches, MANY)
        assert time.monotonic() - started >= PERIOD_S

    asyncio.run(run())

    assert sorted(len(batch["records"]) for batch in batches) == [*[1] * SENT_AT_ONCE, 200]
    assert count(batches) == MANY


def test_what_nobody_received_is_sent_when_somebody_does(tmp_path: Path) -> None:
    batches: Batches = []

    async def run() -> None:
        recorder = Recorder(tmp_path / "late.sock", "shop", ["/x"], keeps_records=True)
        for number in range(MANY):
            record(recorder, number)
        with BatchServer(tmp_path / "late.sock", batches.append) as server:
            server.start()
            await wait_for(batches, MANY)
            server.shutdown()

    asyncio.run(run())

    assert [len(batch["records"]) for batch in batches] == [200]
    assert count(batches) == MANY


def test_a_batch_that_is_confirmed_late_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONFIRM_TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "PERIOD_S", 0.1)
    batches: Batches = []
    release = threading.Event()

    def store(batch: dict[str, Any]) -> None:
        batches.append(batch)
        if batch["number"] < 3:
            release.wait(DEADLINE_S)

    async def run() -> None:
        recorder = Recorder(tmp_path / "r.sock", "shop", ["/x"], keeps_records=True)
        for number in range(SENT_AT_ONCE + 5):
            record(recorder, number)
        await wait_for(batches, SENT_AT_ONCE + 5)
        async with asyncio.timeout(DEADLINE_S):
            while recorder._unconfirmed:  # they are sent again, and confirmed as known
                await asyncio.sleep(0.01)
        release.set()
        await recorder.flush()

    with BatchServer(tmp_path / "r.sock", store) as server:
        server.start()
        asyncio.run(run())
        server.shutdown()

    assert count(batches) == SENT_AT_ONCE + 5
    paths = [each["path"] for batch in batches for each in batch["records"]]
    assert sorted(paths) == sorted({f"/{number}" for number in range(SENT_AT_ONCE + 5)})


def test_while_the_control_app_hangs_little_is_held_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONFIRM_TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "PERIOD_S", 0.02)
    batches: Batches = []

    async def run() -> None:
        recorder = Recorder(tmp_path / "r.sock", "shop", ["/x"], keeps_records=True)
        for number in range(MANY):
            record(recorder, number)
            if number % 10 == 0:
                await asyncio.sleep(0.01)
        assert len(recorder._unconfirmed) == module.MAX_UNCONFIRMED
        server.start()
        await wait_for(batches, MANY)
        await recorder.flush()
        assert not recorder._unconfirmed

    with BatchServer(tmp_path / "r.sock", batches.append) as server:  # it listens, and does not answer yet
        asyncio.run(run())
        server.shutdown()

    assert count(batches) == MANY


def test_without_file_descriptors_nothing_is_raised_and_nothing_is_lost(
    tmp_path: Path, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def run() -> None:
        recorder = Recorder(tmp_path / "r.sock", "shop", ["/x"], keeps_records=True)
        with monkeypatch.context() as context:
            context.setattr(module.socket, "socket", fail)
            record(recorder, 1)
        await wait_for(batches, 1)

    asyncio.run(run())
