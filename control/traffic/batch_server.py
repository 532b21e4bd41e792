"""The unix socket to which kernels and gateways send their records of requests.

One connection carries one batch, a line of JSON (gateway/records/batch.py), and gets a line break once the batch is
stored. Without it, the sender sends the same batch again later, which is then confirmed, but not stored again.
"""

import json
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from control.traffic.receipts import Receipts

MAX_BATCH = 64 * 1024 * 1024  # bytes


class BatchServer(socketserver.ThreadingUnixStreamServer):
    """Calls `store` with each batch that arrives at `path`, in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, store: Callable[[dict[str, Any]], None]) -> None:
        path.unlink(missing_ok=True)
        self.store = store
        self.receipts = Receipts()
        super().__init__(str(path), Handler)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="batch-server", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A kernel that ended in the middle of its batch: nothing to do."""


class Handler(socketserver.StreamRequestHandler):
    """Receives one batch. An invalid one is confirmed and dropped: it would be as invalid the next time."""

    timeout = 30.0  # seconds for the batch to arrive
    server: BatchServer

    def handle(self) -> None:
        if not (line := self.rfile.readline(MAX_BATCH)):
            return
        try:
            batch = json.loads(line)
            if self.server.receipts.add(batch["sender"], batch["number"], batch["oldest_unconfirmed"]):
                self.server.store(batch)
        except Exception as error:
            print(f"Invalid batch of request records: {error!r}", flush=True)
        self.wfile.write(b"\n")
