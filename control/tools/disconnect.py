"""Cancels a request whose client has gone."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def cancel_on_disconnect(app: App) -> App:
    """An ASGI application (https://asgi.readthedocs.io/en/latest/specs/www.html) that ends with its client.

    The SDK would go on. So the API notices too, and cancels what awaits.
    """

    async def run(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        messages = [await _read_request(receive)]

        async def replay() -> Message:
            if not messages:
                await anyio.sleep_forever()
            return messages.pop()

        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await app(scope, replay, send)
            group.cancel_scope.cancel()

    return run


async def _read_request(receive: Receive) -> Message:
    """The whole body as one message; nginx limits its size and sends it at once."""
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}
    return message
