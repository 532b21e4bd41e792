"""What a gateway is told by its environment, its slot file and its command line."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GatewaySettings:
    """A slot's paths in the run directory (docs/architecture.md) and what it is to serve."""

    slot: str
    notebook: Path
    socket: Path
    admin_socket: Path
    failure_file: Path
    kernels: int
    request_timeout: int  # seconds

    @classmethod
    def load(cls, slot: str, environ: Mapping[str, str] = os.environ) -> "GatewaySettings":
        """Read what the control app has written for the slot; it has checked the values."""
        run_dir = Path(environ["RUN_DIR"])
        wanted = json.loads((run_dir / f"gateway-{slot}.json").read_text(encoding="utf-8"))
        return cls(
            slot=slot,
            notebook=Path(wanted["path"]),
            socket=run_dir / f"gateway-{slot}.sock",
            admin_socket=run_dir / f"gateway-{slot}-admin.sock",
            failure_file=run_dir / f"gateway-{slot}.failure.json",
            kernels=int(environ["KERNELS"]),
            request_timeout=int(environ["REQUEST_TIMEOUT"]),
        )
