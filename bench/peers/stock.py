"""Stock notebook-http on a unix socket: `python -m bench.peers.stock <notebook> <socket> <kernels>`."""

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(sys.prefix, "stock")))  # what stock requires and our lock leaves out

from kernel_gateway.gatewayapp import KernelGatewayApp
from tornado import netutil
from tornado.httpserver import HTTPServer


class StockApp(KernelGatewayApp):  # type: ignore[misc]
    """KernelGatewayApp as it is, but for where it listens."""

    def init_http_server(self) -> None:
        self.http_server: Any = HTTPServer(self.web_app)
        self.http_server.add_socket(netutil.bind_unix_socket(sys.argv[2]))


StockApp.launch_instance(
    [
        "--KernelGatewayApp.api=kernel_gateway.notebook_http",
        f"--KernelGatewayApp.seed_uri={sys.argv[1]}",
        f"--KernelGatewayApp.prespawn_count={sys.argv[3]}",
        "--KernelGatewayApp.base_url=/invoke",
        "--log-level=ERROR",
    ]
)
