"""Asking gateways for their status, also those that hang."""

import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from control.deployment.gateway_client import TIMEOUT, TIMEOUT_OF_SILENT, GatewayClient
from tests.support.waiting import eventually

BODY = json.dumps({"ready": True, "endpoints": [], "problems": [], "kernels": 1, "kernel_deaths": 0}).encode()
RESPONSE = b"HTTP/1.0 200 OK\r\n\r\n" + BODY


class Gateway:
    """Responds to each request, once it is `awake`."""

    def __init__(self, path: Path) -> None:
        self.awake = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        with suppress(OSError):  # it was shut down
            while True:
                connection, _ = self.listener.accept()
                self.awake.wait()
                with connection, suppress(OSError):  # nobody waits any more
                    connection.recv(1000)
                    connection.sendall(RESPONSE)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # short
        yield Path(folder, "admin.sock")


def test_a_gateway_that_hangs_is_waited_for_once_and_then_only_shortly_until_it_responds(path: Path) -> None:
    gateway, client = Gateway(path), GatewayClient(path)
    client.timeout = 0.2
    assert client.fetch_status() is None
    for _ in range(3):
        began = time.monotonic()
        assert client.fetch_status() is None
        assert time.monotonic() - began < TIMEOUT_OF_SILENT + 0.2

    gateway.awake.set()
    eventually(client.fetch_status, what="a response after those to earlier requests")
    assert client.timeout == TIMEOUT
    gateway.close()


def test_the_gateway_after_one_that_hung_gets_the_time_that_all_have(path: Path) -> None:
    client = GatewayClient(path)
    client.timeout = TIMEOUT_OF_SILENT
    assert client.fetch_status() is None, "there is none"
    assert client.timeout == TIMEOUT
