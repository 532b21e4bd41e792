"""What a gateway is told by its environment, its slot file and its command line."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.http.address import DEFAULT

POLL = 0.02  # seconds


def read_slot_file(slot: str, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the control app has written (control/config/run_dir.py); `slot` is the folder's path below RUN_DIR."""
    content: dict[str, Any] = json.loads(Path(environ["RUN_DIR"], slot, "slot.json").read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class GatewaySettings:
    """A slot's paths in the run directory (docs/architecture.md) and what it is to serve.

    The control app has checked the values (control/config/settings.py) and passes all of them on. Those in the slot
    file, the project's own, count before those of the environment.
    """

    slot: str  # its name, `blue` or `green`
    project: str
    address: str  # the API's own, percent-encoded (gateway/http/address.py); `/invoke` if it has none
    notebook: Path
    variables: dict[str, str]  # of kernels
    socket: Path
    admin_socket: Path
    workers_socket: Path
    failure_file: Path
    records: str  # the control app's socket for records of requests
    kernels: int
    request_timeout: int  # seconds
    start_timeout: int  # seconds
    queue_limit: int
    max_body_mb: int
    max_output_mb: int
    show_tracebacks: bool
    allow_broken_endpoints: bool
    inspect: bool
    # Stock's own variables.
    public: str | None
    allow_notebook_download: bool

    @classmethod
    def load(cls, slot: str, environ: Mapping[str, str] = os.environ) -> "GatewaySettings":
        """Read the slot file; while it is `{"state": "standby"}` (control/deployment/slots.py), wait for a project."""
        run_dir = Path(environ["RUN_DIR"])
        folder = run_dir / slot
        while (content := read_slot_file(slot, environ)).get("state") == "standby":
            time.sleep(POLL)
        environ = {**environ, **content.get("settings", {})}
        return cls(
            slot=folder.name,
            project=content["notebook"],
            address=quote(content.get("address", DEFAULT)),
            notebook=Path(content["path"]),
            variables=content.get("variables", {}),
            socket=folder / "api.sock",
            admin_socket=folder / "admin.sock",
            workers_socket=folder / "workers.sock",
            failure_file=folder / "failure.json",
            records=str(run_dir / "records.sock"),
            kernels=int(environ["KERNELS"]),
            request_timeout=int(environ["REQUEST_TIMEOUT"]),
            start_timeout=int(environ["START_TIMEOUT"]),
            queue_limit=int(environ["QUEUE_LIMIT"]),
            max_body_mb=int(environ["MAX_BODY_MB"]),
            max_output_mb=int(environ["MAX_OUTPUT_MB"]),
            show_tracebacks=environ["SHOW_TRACEBACKS"] == "1",
            allow_broken_endpoints=environ.get("ALLOW_BROKEN_ENDPOINTS") == "1",
            inspect=environ.get("INSPECT", "1") == "1",
            public=environ.get("KG_STATIC_PATH"),
            allow_notebook_download=environ.get("KG_ALLOW_NOTEBOOK_DOWNLOAD") == "True",
        )
