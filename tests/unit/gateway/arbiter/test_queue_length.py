"""How many connections wait in a listening socket."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.arbiter import queue_length


def test_connections_count_until_they_are_accepted(tmp_path: Path) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "s"))
        listener.listen(8)
        assert queue_length.count(listener) == 0
        for _ in range(3):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(tmp_path / "s"))
        assert queue_length.count(listener) == 3
        stack.enter_context(listener.accept()[0])
        assert queue_length.count(listener) == 2


def test_where_the_system_does_not_tell_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_length, "_SOCK_DIAG", 99)
    with socket.socket(socket.AF_UNIX) as listener:
        assert queue_length.count(listener) is None
