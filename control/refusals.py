"""Calls of the API that nginx answers by itself: no password, too large, nothing served. No kernel tells of them.

nginx writes a line of JSON for each (`log_format refusal` in conf/nginx.conf.j2) as a datagram to a unix socket in the
run directory, with syslog's header before it, and waits for nobody.
"""

import json
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Take = Callable[[dict[str, Any]], None]

NOTHING = {"size": 0, "cut": False, "text": ""}


class Refusals(socketserver.UnixDatagramServer):
    """Calls `take` with the record of each refusal that comes to `path`, in a thread of its own."""

    max_packet_size = 64 * 1024  # more than nginx lets a request's line and headers have

    def __init__(self, path: Path, take: Take) -> None:
        path.unlink(missing_ok=True)
        self.take = take
        super().__init__(str(path), Handler)

    def begin(self) -> None:
        threading.Thread(target=self.serve_forever, name="refusals", daemon=True).start()


class Handler(socketserver.BaseRequestHandler):
    """One refusal. What cannot be understood is dropped, and said."""

    server: Refusals

    def handle(self) -> None:
        datagram: bytes = self.request[0]
        try:
            self.server.take(record(json.loads(datagram[datagram.index(b"{") :].decode(errors="replace"))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"A refusal of nginx could not be read: {type(error).__name__}: {error}", flush=True)


def record(told: dict[str, Any]) -> dict[str, Any]:
    """In the form of all records (gateway/worker/record.py), with `refused`. Raises KeyError, TypeError, ValueError.

    Of the path its query is left out: what is masked in it is known to kernels only.
    """
    seconds, sent, said = float(told["seconds"]), int(told["sent"] or 0), int(told["said_bytes"])
    headers = [[name, value] for name, value in told["headers"].items() if value]
    if told["has_authorization"]:
        headers.append(["Authorization", None])
    return {
        "at": float(told["at"]) - seconds,
        "seconds": seconds,
        "method": str(told["method"]),
        "path": str(told["target"]).partition("?")[0],
        "endpoint": None,
        "status": int(told["status"]),
        "request_id": str(told["request_id"]),
        "request": {"headers": headers, "body": {"size": sent, "cut": sent > 0, "text": ""}},
        "response": {
            "headers": [["Content-Type", "application/json"]],
            "body": {"size": said, "cut": False, "text": str(told["said"]) if said else ""},
        },
        "stderr": NOTHING,
        "traceback": NOTHING,
        "refused": True,
    }
