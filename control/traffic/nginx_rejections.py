"""Records of the API requests that nginx rejects: wrong password, too large, nothing served. No kernel sees them.

nginx logs each as JSON (`log_format rejection` in conf/nginx.conf.j2), in a datagram.
"""

import json
import posixpath
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from control.config.run_dir import RunDir, project_behind
from control.traffic.exchange import Text
from control.traffic.summary import Summary

MAX_RATE = 500  # read per second


class NginxRejections:
    """Calls `store` with the project and the record of each rejection, and logs a summary, except of wrong passwords.

    nginx's record of a response from a file, where there is no API, lacks its text.

    Not thread-safe: one thread calls `add` and `tick`.
    """

    def __init__(self, run: RunDir, store: Callable[[str | None, dict[str, Any]], None]) -> None:
        self._run = run
        self._store = store
        self._summary = Summary("requests that nginx rejected", MAX_RATE)
        self.tick = self._summary.tick

    def add(self, message: bytes) -> None:
        """Process nginx's JSON. ValueError, KeyError, TypeError, AttributeError: it is invalid."""
        entry = json.loads(message.decode(errors="replace"))
        if not entry["response"]:
            with suppress(OSError):
                entry["response"] = self._run.not_serving.read_text(encoding="utf-8")
        self._store(find_project(self._run, entry["target"]), to_record(entry))
        if entry["status"] != "401" or not entry["has_authorization"]:  # login_limit.py logs wrong passwords
            self._summary.count(f"x {int(entry['status'])} to {entry['caller']}")


def find_project(run: RunDir, target: str) -> str | None:
    """The project that is served at the address, which is decoded and normalized as nginx does it; None if none is."""
    path = posixpath.normpath(unquote(target.partition("?")[0])).strip("/")
    place, _, rest = path.partition("/")
    if place == "apis":
        return project_behind(run.api_links / rest.partition("/")[0])
    return project_behind(run.default_link) if place in ("invoke", "mcp") else None


def to_record(entry: dict[str, Any]) -> dict[str, Any]:
    """In the form of gateway/records/record.py, with `is_rejected`. Raises KeyError, TypeError, ValueError.

    Without the query: only kernels know which of its parameters are secret.
    """
    seconds, size = float(entry["seconds"]), int(entry["request_bytes"] or 0)
    response_size = int(entry["response_bytes"])
    headers = [[name, value] for name, value in entry["headers"].items() if value]
    if entry["has_authorization"]:
        headers.append(["Authorization", None])
    return {
        "at": float(entry["at"]) - seconds,
        "seconds": seconds,
        "method": str(entry["method"]),
        "path": str(entry["target"]).partition("?")[0],
        "endpoint": None,
        "status": int(entry["status"]),
        "request_id": str(entry["request_id"]),
        "request": {"headers": headers, "body": {"size": size, "cut": size > 0, "text": ""}},
        "response": {
            "headers": [["Content-Type", "application/json"]],
            "body": {"size": response_size, "cut": False, "text": str(entry["response"]) if response_size else ""},
        },
        "stderr": asdict(Text()),
        "traceback": asdict(Text()),
        "is_rejected": True,
    }
