"""Whether a process has ended, without a question to anybody."""

import os
import select
import weakref


class ProcessHandle:
    """A process by its file descriptor, so that no later one with its number is taken for it (pidfd_open(2))."""

    def __init__(self, pid: int) -> None:
        """OSError where there is no such process, or no such call."""
        descriptor = os.pidfd_open(pid)
        weakref.finalize(self, os.close, descriptor)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def is_running(self) -> bool:
        return not self._poll.poll(0)
