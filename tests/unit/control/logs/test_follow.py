"""The log as server-sent events: their form, their number, their end."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from flask import Response

from control.config.errors import TooManyFollowers
from control.logs import follow as module
from control.logs.follow import MAX_FOLLOWERS, Followers, event
from control.logs.reader import LogReader


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.001)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "api.log"
    path.write_text("one\n")
    return path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is opened in it is closed after the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def follow(log: Path, stack: ExitStack) -> Callable[..., Response]:
    """Follows the log from its last ten lines on."""
    return lambda followers, client=None: stack.enter_context(
        closing(followers.response(LogReader(lambda: log, 10), client))
    )


def events(response: Response) -> Iterator[str]:
    return map(bytes.decode, response.iter_encoded())


def test_lines_come_as_events_whose_id_is_where_to_go_on(log: Path, follow: Callable[..., Response]) -> None:
    response = follow(Followers())
    coming = events(response)
    assert next(coming) == f"id: {log.stat().st_ino}-4\ndata: one\n\n"
    log.write_text("one\ntwo\nthree\n")
    assert next(coming) == f"id: {log.stat().st_ino}-14\ndata: two\ndata: three\n\n"
    assert response.headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("text", ["a\rdata: b\n", "a\r\ndata: b\n", "a\n\nevent: x\n"])
def test_no_line_can_be_taken_for_another_field(text: str) -> None:
    lines = event(text, "1-2").rstrip("\n").split("\n")

    assert all(line.startswith(("id: ", "data: ")) for line in lines)
    assert "\r" not in "".join(lines)


def test_a_silent_log_gives_signs_of_life(
    log: Path, follow: Callable[..., Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0)
    log.write_text("")
    coming = events(follow(Followers()))

    assert [next(coming) for _ in range(3)] == [":\n\n"] * 3


def test_one_more_than_there_is_room_for_is_refused_until_one_leaves(
    log: Path, follow: Callable[..., Response]
) -> None:
    followers = Followers()
    first = followers.response(LogReader(lambda: log, 10), None)
    for _ in range(MAX_FOLLOWERS - 1):
        follow(followers)
    with pytest.raises(TooManyFollowers, match=f"{MAX_FOLLOWERS} times already"):
        follow(followers)

    first.close()  # before it was ever read

    assert next(events(follow(followers)))


def test_it_ends_when_the_client_leaves(follow: Callable[..., Response]) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        coming = events(follow(Followers(), ours))
        next(coming)
        theirs.close()

        assert "".join(coming) in {"", ":\n\n"}


def test_it_ends_when_the_program_does(follow: Callable[..., Response]) -> None:
    followers = Followers()
    coming = events(follow(followers))
    next(coming)
    followers.is_up = lambda: False

    assert list(coming) == []
