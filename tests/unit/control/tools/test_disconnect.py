"""A request ends with its client."""

import asyncio
from typing import Any

from control.tools.disconnect import Message, Receive, Send, cancel_on_disconnect

HTTP: Message = {"type": "http"}
PARTS: list[Message] = [
    {"type": "http.request", "body": b"one ", "more_body": True},
    {"type": "http.request", "body": b"two", "more_body": False},
]


def run(app: Any, messages: list[Message]) -> list[Message]:
    """What the application sends; the client sends the messages, and no more."""
    sent: list[Message] = []
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(cancel_on_disconnect(app)(HTTP, receive, send), 10))
    return sent


def test_the_application_gets_the_whole_body_and_is_left_to_respond() -> None:
    async def app(_: Message, receive: Receive, send: Send) -> None:
        await send(await receive())

    assert run(app, PARTS) == [{"type": "http.request", "body": b"one two", "more_body": False}]


def test_it_is_cancelled_when_the_client_has_gone() -> None:
    cancelled = []

    async def app(_: Message, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    assert run(app, [*PARTS, {"type": "http.disconnect"}]) == []
    assert cancelled == [True]
