"""Read by every ipykernel at its start, whatever environment it runs in: keeps it off TCP.

ipykernel has one port, on the loopback address, for what forked processes print. Here that takes a unix socket.
A version of ipykernel that does not know these two methods does not call them.
"""

import os
from pathlib import Path

import zmq
from ipykernel.iostream import IOPubThread
from jupyter_core.paths import jupyter_runtime_dir
from zmq.eventloop.zmqstream import ZMQStream


def _setup_pipe_in(self: IOPubThread) -> None:
    """Listen for what forked processes print; raises ZMQError and OSError."""
    path = Path(jupyter_runtime_dir(), f"forks-{os.getpid()}")
    pipe_in = self.socket.context.socket(zmq.PULL)
    pipe_in.linger = 0
    pipe_in.bind(f"ipc://{path}")
    # Held open, it is reached through /proc without its name: nothing is left behind, however the kernel ends.
    self._pipe_file = os.open(path, os.O_PATH)
    path.unlink()
    self._pipe_uuid = os.urandom(16)
    self._pipe_in = ZMQStream(pipe_in, self.io_loop)
    self._pipe_in.on_recv(self._handle_pipe_msg)


def _setup_pipe_out(self: IOPubThread) -> tuple[zmq.Context, zmq.Socket]:
    """In a forked process, a way to its kernel. Both are the caller's to close, after each use."""
    context = zmq.Context()  # libzmq wants a new one after a fork
    pipe_out = context.socket(zmq.PUSH)
    pipe_out.linger = 3000  # milliseconds; as ipykernel has it
    # Not /proc/self: a process that becomes a daemon closes what it has inherited.
    pipe_out.connect(f"ipc:///proc/{self._master_pid}/fd/{self._pipe_file}")
    return context, pipe_out


IOPubThread._setup_pipe_in = _setup_pipe_in
IOPubThread._setup_pipe_out = _setup_pipe_out
