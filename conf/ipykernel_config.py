"""Keeps every ipykernel, which reads this at its start in whatever environment, off TCP. Says where packages belong.

ipykernel has one port, on the loopback address, for the output of forked processes. Here that is a unix socket.
A version of ipykernel without these two methods does not call them.
"""

import os
import sys
from pathlib import Path

import zmq
from ipykernel.iostream import IOPubThread
from IPython.core.magics.packaging import PackagingMagics
from jupyter_core.paths import jupyter_runtime_dir
from zmq.eventloop.zmqstream import ZMQStream


def _setup_pipe_in(self: IOPubThread) -> None:
    """Listen for the output of forked processes; raises ZMQError and OSError."""
    path = Path(jupyter_runtime_dir(), f"forks-{os.getpid()}")
    pipe_in = self.socket.context.socket(zmq.PULL)
    pipe_in.linger = 0
    pipe_in.bind(f"ipc://{path}")
    # While open, it is reached through /proc without its name: no file remains, however the kernel ends.
    self._pipe_file = os.open(path, os.O_PATH)
    path.unlink()
    self._pipe_uuid = os.urandom(16)
    self._pipe_in = ZMQStream(pipe_in, self.io_loop)
    self._pipe_in.on_recv(self._handle_pipe_msg)


def _setup_pipe_out(self: IOPubThread) -> tuple[zmq.Context, zmq.Socket]:
    """In a forked process, a socket to its kernel. The caller closes both after each use."""
    context = zmq.Context()  # libzmq needs a new one after a fork
    pipe_out = context.socket(zmq.PUSH)
    pipe_out.linger = 3000  # milliseconds; as in ipykernel
    # Not /proc/self: a process that becomes a daemon closes inherited files.
    pipe_out.connect(f"ipc:///proc/{self._master_pid}/fd/{self._pipe_file}")
    return context, pipe_out


def _pip(self: PackagingMagics, line: str) -> None:
    """Run `%pip`, in the environment of a project."""
    run_pip(self, line)
    if line.split()[:1] == ["install"]:
        print(
            "Note: this project's packages are those in its requirements.txt. Add a line there: what is installed here "
            "only is gone when they are installed anew."
        )


if Path(sys.prefix, "packages.txt").exists():  # control/environments/project_environments.py
    run_pip = PackagingMagics.pip
    PackagingMagics.pip = _pip
IOPubThread._setup_pipe_in = _setup_pipe_in
IOPubThread._setup_pipe_out = _setup_pipe_out
