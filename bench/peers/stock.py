"""Stock notebook-http on a unix socket: `python -m bench.peers.stock <notebook> <socket> <kernels>`."""

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(sys.prefix, "stock")))  # stock's requirements that our lock omits

from kernel_gateway.gatewayapp import KernelGatewayApp
from tornado import netutil
from tornado.httpserver import HTTPServer


class StockApp(KernelGatewayApp):  # type: ignore[misc]
    """KernelGatewayApp, listening on a unix socket."""

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
