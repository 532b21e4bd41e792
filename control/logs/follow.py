"""Following a log: its new lines as server-sent events, for as long as the reader stays."""

import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from flask import Response

from control.config.errors import TooManyFollowers
from control.logs.reader import LogReader

MAX_FOLLOWERS = 32  # followers at once: each takes a thread of gunicorn's (conf/gunicorn.conf.py)
POLL = 0.2  # seconds between two looks at the file
SIGN_OF_LIFE = 15.0  # seconds of silence after which a comment is sent: proxies end silent connections


class Followers:
    """Those who follow now. They end when `is_up` says that this program is about to."""

    def __init__(self) -> None:
        self.places = threading.BoundedSemaphore(MAX_FOLLOWERS)
        self.is_up: Callable[[], bool] = lambda: True

    def response(self, reader: LogReader, client: socket.socket | None) -> Response:
        """The lines as they come; `client` is the connection's socket. Raises TooManyFollowers."""
        if not self.places.acquire(blocking=False):
            raise TooManyFollowers(
                f"The log is being followed {MAX_FOLLOWERS} times already. Close a page that follows it."
            )
        response = Response(self._events(reader, client), mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"  # nginx passes each event on at once
        response.call_on_close(reader.close)
        response.call_on_close(self.places.release)
        return response

    def _events(self, reader: LogReader, client: socket.socket | None) -> Iterator[str]:
        spoke = float("-inf")
        while self.is_up():
            text = reader.read()
            if text:
                yield event(text, reader.position)
            elif time.monotonic() - spoke > SIGN_OF_LIFE:
                yield ":\n\n"
            else:
                if has_left(client):
                    return
                continue
            spoke = time.monotonic()


def event(text: str, position: str) -> str:
    """Lines as one event, whose id is where to go on after them.

    https://html.spec.whatwg.org/multipage/server-sent-events.html: a carriage return ends a line there too.
    """
    data = "\n".join(f"data: {line}" for line in re.split(r"\r\n|\r|\n", text.removesuffix("\n")))
    return f"id: {position}\n{data}\n\n"


def has_left(client: socket.socket | None) -> bool:
    """Wait for a while; True as soon as the client has closed its connection, on which it says nothing more."""
    if client is None:
        time.sleep(POLL)
        return False
    poll = select.poll()
    poll.register(client, select.POLLIN)
    return bool(poll.poll(1000 * POLL))
