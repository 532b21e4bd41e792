"""What threads and tasks print outside of requests is in the log line by line."""

import asyncio
import threading
from collections.abc import Callable

from gateway.worker.line_buffers import LineBuffers


def in_thread(function: Callable[..., object], *arguments: object) -> None:
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join()


def test_a_line_is_written_at_once_and_whole(pieces: list[str]) -> None:
    lines = LineBuffers()
    for text in ("one ", "line", "\nand ", "another", "\n"):
        lines.write("-", text)

    assert pieces == ["[-] one line\n", "[-] and another\n"]


def test_what_is_flushed_is_a_line_of_its_own_if_another_goes_on(pieces: list[str]) -> None:
    lines = LineBuffers()
    lines.write("-", "50 % ")
    lines.flush()
    lines.write("-", "100 %")
    lines.flush()
    in_thread(lines.write, "-", "another\n")

    assert "".join(pieces) == "[-] 50 % 100 %\n[-] another\n"


def test_a_thread_and_a_task_that_end_within_a_line_lose_nothing(pieces: list[str]) -> None:
    lines = LineBuffers()

    async def end_in_line() -> None:
        lines.write("request", "last of a task")

    in_thread(lines.write, "-", "last of a thread")
    asyncio.run(end_in_line())
    lines.write("-", "next\n")

    assert sorted("".join(pieces).splitlines()) == ["[-] last of a thread", "[-] next", "[request] last of a task"]


def test_a_line_that_goes_on_behind_another_label_is_two(pieces: list[str]) -> None:
    lines = LineBuffers()
    lines.write("a", "half")
    lines.write("b", "rest\n")

    assert "".join(pieces) == "[a] half\n[b] rest\n"


def test_a_line_without_end_does_not_wait_for_it(pieces: list[str]) -> None:
    lines = LineBuffers()
    for _ in range(1000):
        lines.write("-", "x" * 100)

    assert "".join(pieces).count("x") > 90_000
    lines.flush()
    assert "".join(pieces) == "[-] " + "x" * 100_000
