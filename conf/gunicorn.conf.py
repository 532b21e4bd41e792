"""gunicorn for the control app: one process, because the lock that orders starts and stops lives in it."""

from control.rundir import RunDir
from control.settings import Settings

run = RunDir(Settings.from_env().run_dir)

bind = f"unix:{run.control_socket}"
umask = 0o077
workers = 1
worker_class = "gthread"
# A start may wait for its notebook a minute; status and log lines must be answered meanwhile.
threads = 16
graceful_timeout = 2
worker_tmp_dir = str(run.path)
control_socket_disable = True
loglevel = "warning"
