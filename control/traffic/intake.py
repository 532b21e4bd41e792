"""Receives the records of kernels, gateways and nginx, and adds them to the history and the counters."""

from typing import Any

from control.config.run_dir import RunDir
from control.traffic.batch_server import BatchServer
from control.traffic.counters import Counters
from control.traffic.datagrams import UNLIMITED, Datagrams
from control.traffic.history import History
from control.traffic.login_limit import LoginLimit
from control.traffic.nginx_rejections import MAX_RATE, NginxRejections


class Intake:
    """Without `inspect`, the history stores no rejections (and kernels send no records)."""

    def __init__(self, history: History, counters: Counters, *, inspect: bool) -> None:
        self.history = history
        self.counters = counters
        self.inspect = inspect

    def add_batch(self, batch: dict[str, Any]) -> None:
        """Add what a kernel or a gateway sent (gateway/records/batch.py)."""
        self.counters.add(batch)
        self.history.add(batch["project"], batch["records"])

    def add_rejection(self, project: str | None, record: dict[str, Any]) -> None:
        self.counters.add_rejection(project, record["method"], record["status"])
        if self.inspect:
            self.history.add(project, [record])

    def start(self, run: RunDir) -> None:
        """Listen on the sockets in the run directory. All wrong passwords are read: in a flood none may be missed."""
        rejections, limit = NginxRejections(run, self.add_rejection), LoginLimit(run.limited_callers)
        BatchServer(run.records_socket, self.add_batch).start()
        Datagrams(run.rejections_socket, rejections.add, rejections.tick, MAX_RATE).start()
        Datagrams(run.failed_logins_socket, limit.add_failure, limit.tick, UNLIMITED).start()
