"""gunicorn for the control app: one process, because the lock that orders starts and stops lives in it."""

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
# A start may wait for its notebook a minute; status and log lines must be answered meanwhile, and each of those
# who follow the log takes a thread. One that nobody needs is never started.
threads = 16 + follow.MOST
graceful_timeout = 2
worker_tmp_dir = str(run.path)
control_socket_disable = True
# An upload that is taken apart waits where nginx has it wait, too: /tmp is memory in a container.
tempfile.tempdir = str(settings.body_dir)
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    """Let those who follow the log end as soon as this program is told to: an end must not wait for them.

    And have no caller's text begin a line of the log.
    """
    log_record.install()
    worker.wsgi.extensions["components"].log_followers.is_up = lambda: worker.alive
