"""Following a log: its new lines as server-sent events, for as long as the client stays connected."""

import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from flask import Response

from control.config.errors import TooManyFollowers
from control.logs.reader import LogReader

MAX_FOLLOWERS = 32  # each takes a thread of gunicorn's (conf/gunicorn.conf.py)
POLL = 0.2  # seconds between two reads of the file
HEARTBEAT = 15.0  # seconds of silence after which a comment is sent: proxies close idle connections


class Followers:
    """The clients that follow now. Their responses end once `is_up` returns False: this process is about to end."""

    def __init__(self) -> None:
        self.slots = threading.BoundedSemaphore(MAX_FOLLOWERS)
        self.is_up: Callable[[], bool] = lambda: True

    def response(self, reader: LogReader, client: socket.socket | None) -> Response:
        """New lines as they are written; `client` is the connection's socket. Raises TooManyFollowers."""
        if not self.slots.acquire(blocking=False):
            raise TooManyFollowers(f"The log is followed {MAX_FOLLOWERS} times already. Close a page that follows it.")
        response = Response(self._events(reader, client), mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"  # nginx passes each event on at once
        response.call_on_close(reader.close)
        response.call_on_close(self.slots.release)
        return response

    def _events(self, reader: LogReader, client: socket.socket | None) -> Iterator[str]:
        last_sent = float("-inf")
        while self.is_up():
            text = reader.read()
            if text:
                yield event(text, reader.position)
            elif time.monotonic() - last_sent > HEARTBEAT:
                yield ":\n\n"
            else:
                if wait_for_close(client):
                    return
                continue
            last_sent = time.monotonic()


def event(text: str, position: str) -> str:
    """Lines as one event, whose id is the position after them.

    https://html.spec.whatwg.org/multipage/server-sent-events.html: a carriage return ends a line there too.
    """
    data = "\n".join(f"data: {line}" for line in re.split(r"\r\n|\r|\n", text.removesuffix("\n")))
    return f"id: {position}\n{data}\n\n"


def wait_for_close(client: socket.socket | None) -> bool:
    """Wait for POLL seconds; True as soon as the client has closed its connection: it sends nothing more."""
    if client is None:
        time.sleep(POLL)
        return False
    poll = select.poll()
    poll.register(client, select.POLLIN)
    return bool(poll.poll(1000 * POLL))
