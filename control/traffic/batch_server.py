"""Where kernels and gateways tell of requests: a unix socket in the run directory.

One connection brings one batch, a line of JSON (gateway/records/batch.py), and gets a line break once it is
taken in. Without it, the same comes again later.
"""

import json
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 64 * 1024 * 1024  # bytes of a batch
TIMEOUT = 30.0  # seconds for one to arrive

Take = Callable[[dict[str, Any]], None]


class BatchServer(socketserver.ThreadingUnixStreamServer):
    """Calls `take` with each batch that comes to `path`, in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, take: Take) -> None:
        path.unlink(missing_ok=True)
        self.take = take
        super().__init__(str(path), Handler)

    def begin(self) -> None:
        threading.Thread(target=self.serve_forever, name="reception", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A kernel that ended in the middle of its batch: nothing to do."""


class Handler(socketserver.StreamRequestHandler):
    """One batch. What cannot be understood is taken and dropped: it would be no better the next time."""

    timeout = TIMEOUT
    server: BatchServer

    def handle(self) -> None:
        line = self.rfile.readline(LONGEST)
        if not line:
            return
        try:
            self.server.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"Records of requests could not be read: {error!r}", flush=True)
        self.wfile.write(b"\n")
