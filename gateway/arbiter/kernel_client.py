"""Clients of kernels over the Jupyter protocol: what they receive."""

import asyncio
from collections.abc import Set
from queue import Empty
from typing import Any

import zmq

from gateway.notebook.failure import ANSI

OUTPUT_TIMEOUT = 1.0  # seconds of silence after a reply


def open_client(kernel: Any, *, has_output: bool = True) -> Any:
    """A client of a kernel, given its manager; it receives what the kernel publishes only if it `has_output`."""
    client = kernel.client()
    # Not the manager's session, which refuses messages that another client has read.
    client.session = type(client.session)(config=client.session.config, key=client.session.key)
    # With a limit the kernel drops output while 1,000 messages are unread, also the message that ends it.
    client.context.setsockopt(zmq.RCVHWM, 0)
    client.start_channels(iopub=has_output, stdin=False, hb=False)
    return client


async def read_reply(client: Any, message_id: str) -> dict[str, Any]:
    """The content of the reply to a request."""
    while True:
        message = await client.get_shell_msg()
        if message["parent_header"].get("msg_id") == message_id:
            content: dict[str, Any] = message["content"]
            return content


async def print_output(client: Any, message_id: str, reply: "asyncio.Future[Any]", limit: int) -> None:
    """Print the kernel's output, `limit` characters of it, until it is done with a request or silent after its reply.

    Threads and tasks of earlier cells print too, as parts of those.
    """
    room = limit
    while True:
        try:
            message = await client.get_iopub_msg(timeout=OUTPUT_TIMEOUT)
        except Empty:
            if reply.done():
                break
            continue
        if message["msg_type"] == "stream":
            text = ANSI.sub("", message["content"]["text"])
            print(text[: max(0, room)], end="", flush=True)
            room -= len(text)
        elif message["parent_header"].get("msg_id") == message_id and (
            message["content"].get("execution_state") == "idle"
        ):
            break
    if room < 0:
        print(f"\n({-room} more characters that this cell printed were dropped: MAX_OUTPUT_MB)", flush=True)


async def wait_until_idle(client: Any, requests: Set[str]) -> None:
    """Return when the kernel is done with one of these requests."""
    while True:
        message = await client.get_iopub_msg()
        if message["parent_header"].get("msg_id") in requests and message["content"].get("execution_state") == "idle":
            return
