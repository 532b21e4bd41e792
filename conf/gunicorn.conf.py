"""gunicorn for the control app: one process, as the lock that orders starts and stops is in it."""

import tempfile
from typing import Any

from control.config.run_dir import RunDir
from control.config.settings import Settings
from control.logs import follow, log_record

settings = Settings.from_env()
run = RunDir(settings.run_dir)

bind = f"unix:{run.control_socket}"
umask = 0o077
workers = 1
worker_class = "gthread"
# A start may wait a minute for its notebook while other requests must get a response, and each follower of the log
# takes a thread. Threads are started on demand.
threads = 48 + follow.MAX_FOLLOWERS
graceful_timeout = 2
# What nginx accepts: it rejects more than 32 KB, as JSON.
limit_request_line = 0
limit_request_fields = limit_request_field_size = 32_768
worker_tmp_dir = str(run.path)
control_socket_disable = True
# WSGI cannot tell `X_Y` from `X-Y`, so gunicorn drops headers with an underscore, except those in this list. By default
# it has SCRIPT_NAME, which changes a request's path.
forwarder_headers = ""
# Uploads are parsed on the disk on which nginx buffers them: /tmp is memory in a container.
tempfile.tempdir = str(settings.body_dir)
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    """End followers of the log as soon as this worker stops, which would wait for them; escape log records."""
    log_record.install()
    worker.wsgi.extensions["components"].log_followers.is_up = lambda: worker.alive
