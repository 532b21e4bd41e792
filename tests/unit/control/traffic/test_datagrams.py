"""Reading nginx's datagrams: whatever is sent, and however much."""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from control.traffic.datagrams import Datagrams
from tests.support.waiting import eventually


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # socket paths are short
        yield Path(folder) / "events.sock"


def send(path: Path, message: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"<190>Nov 26 09:00:00 nginx: " + message, str(path))


def test_each_message_is_handled_without_its_header(path: Path) -> None:
    messages: list[bytes] = []
    Datagrams(path, messages.append, lambda: None, 100).start()

    send(path, b"one nginx: word")
    send(path, b"two")

    eventually(lambda: messages == [b"one nginx: word", b"two"], 5)


def test_errors_are_printed_once_a_second_and_end_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages: list[bytes] = []

    def take(message: bytes) -> None:
        if message == b"bad":
            raise RuntimeError("no such thing")
        messages.append(message)

    def tick() -> None:
        raise OSError("the disk is full")

    Datagrams(path, take, tick, 100).start()
    for _ in range(10):
        send(path, b"bad")
    send(path, b"good")

    eventually(lambda: messages == [b"good"], 5)
    output = eventually(lambda: capsys.readouterr().out, 5)
    assert len(output.splitlines()) == 1
    assert output.startswith("events: ")
    send(path, b"again")
    eventually(lambda: messages == [b"good", b"again"], 5)


def test_a_flood_is_read_in_part(path: Path) -> None:
    messages: list[bytes] = []
    ticks: list[float] = []
    Datagrams(path, messages.append, lambda: ticks.append(time.monotonic()), 50).start()
    end = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.01)
            while not end.is_set():
                with suppress(TimeoutError):
                    sender.sendto(b"<190>Nov 26 09:00:00 nginx: x", str(path))

    thread = threading.Thread(target=flood)
    thread.start()
    eventually(lambda: len(ticks) == 2, 10)
    end.set()
    thread.join()

    assert len(messages) <= 150
