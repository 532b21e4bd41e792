"""Streams of the values of generators: what they encode, and how they end."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.http.response import BodyStream
from gateway.worker.streams import AsyncStream, SyncStream
from gateway.worker.value_response import encode_event


def encode(value: Any) -> bytes:
    return f"data: {value}\n\n".encode()


def numbers(events: list[str]) -> Iterator[int]:
    try:
        yield from (1, 2)
    finally:
        events.append("closed")


async def async_numbers(events: list[str]) -> AsyncIterator[int]:
    try:
        for number in (1, 2):
            yield number
    finally:
        await asyncio.sleep(0)
        events.append("closed")


def stream_of(is_async: bool, events: list[str], *options: Any) -> BodyStream:
    return AsyncStream(async_numbers(events), *options) if is_async else SyncStream(numbers(events), *options)


@pytest.mark.parametrize("is_async", [False, True])
def test_values_are_encoded_until_there_are_no_more(is_async: bool) -> None:
    stream = stream_of(is_async, [], encode)

    async def run() -> list[bytes | None]:
        return [await stream.next_piece() for _ in range(4)]

    assert asyncio.run(run()) == [b"data: 1\n\n", b"data: 2\n\n", None, None]
    assert stream.is_async is is_async


@pytest.mark.parametrize("is_async", [False, True])
def test_one_that_is_closed_early_closes_its_generator_first(is_async: bool) -> None:
    events: list[str] = []
    stream = stream_of(is_async, events, encode, lambda: events.append("told"))

    async def run() -> None:
        await stream.next_piece()
        await stream.close()

    asyncio.run(run())
    assert events == ["closed", "told"]


@pytest.mark.parametrize("text", ["", "\n", "a\n", "\n\nb", " a", "a\u2028b\x0cc\x85", "é", "data: x"])
def test_an_event_is_read_as_the_text_that_was_sent(text: str) -> None:
    lines = re.split(r"\r\n|\r|\n", encode_event(text).decode())  # as the standard says of a reader
    assert lines[-2:] == ["", ""]
    assert "\n".join(line.removeprefix("data: ") for line in lines[:-2]) == text


def test_the_other_ends_of_a_line_are_one_too() -> None:
    assert encode_event("a\r\nb\rc") == b"data: a\ndata: b\ndata: c\n\n"
