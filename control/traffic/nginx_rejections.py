"""Calls of the API that nginx answers by itself: no password, too large, nothing served. No kernel tells of them.

nginx tells of each as JSON (`log_format refusal` in conf/nginx.conf.j2), in a datagram.
"""

import json
from collections.abc import Callable
from typing import Any

from control.traffic.summary import Summary

MOST = 500  # that are looked at in a second

Take = Callable[[dict[str, Any]], None]

NOTHING = {"size": 0, "cut": False, "text": ""}


class NginxRejections:
    """Calls `take` with the record of each refusal, and sums them up in the log, but for wrong passwords.

    Not thread-safe: one thread calls `refused` and `tick`.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._summary = Summary("requests that nginx refused", MOST)

    def refused(self, message: bytes) -> None:
        """What nginx tells of one. ValueError, KeyError, TypeError, AttributeError: it cannot be understood."""
        refusal = json.loads(message.decode(errors="replace"))
        self._take(record(refusal))
        is_wrong_password = refusal["status"] == "401" and refusal["has_authorization"]
        if not is_wrong_password:  # control/traffic/login_limit.py tells of those
            self._summary.count(f"x {int(refusal['status'])} to {refusal['caller']}")

    def tick(self) -> None:
        """Called once a second."""
        self._summary.tick()


def record(told: dict[str, Any]) -> dict[str, Any]:
    """In the form of all records (gateway/records/record.py), with `refused`. Raises KeyError, TypeError, ValueError.

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
