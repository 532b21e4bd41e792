"""`python -m control.tools`: serves `/mcp` and `/apis/<slug>/mcp`, until nobody asks any more.

It listens on the socket that supervisord has opened.
"""

import socket

import uvicorn

from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.tools.apis import Apis
from control.tools.disconnect import cancel_on_disconnect
from control.tools.idle import IdleServer
from control.tools.server import create_app

IDLE_LIMIT = 15 * 60  # seconds
MEGABYTE = 1024 * 1024


def main() -> None:
    settings = Settings.from_env()
    apis = Apis(RunDir(settings.run_dir), max_answer=settings.max_output_mb * MEGABYTE)
    app = create_app(apis, max_body=settings.max_body_mb * MEGABYTE)
    config = uvicorn.Config(
        cancel_on_disconnect(app), log_level="warning", access_log=False, ws="none", server_header=False
    )
    # The listening socket is stdin (`fcgi-program`); supervisord goes on listening when this program ends.
    IdleServer(config, IDLE_LIMIT).run([socket.socket(fileno=0)])


if __name__ == "__main__":
    main()
