"""Routes what a cell prints: stdout becomes the body of its response, stderr goes to the log line by line.

The kernel's own stream objects stay in place, and only their `write` and `flush` are replaced, because ordinary
cells have stored references to them: `logging.basicConfig()` keeps the sys.stderr it saw.

A context variable says which request a write belongs to. Tasks that a cell starts inherit it. Threads do not, so
what they print goes to the log, as does what a task prints after the response was sent, or a task of an ordinary
cell; each line gets a label there, so that data of a client in it cannot pass for a line of another request, and is
written once it is whole. Code that runs over the Jupyter protocol prints to the protocol too. C code writes to
descriptor 1, which is the log, without a label; programs that a cell starts have pipes of their own
(gateway/worker/programs.py).
"""

import io
import sys
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Protocol

from gateway.http.request import Request
from gateway.http.response import Response
from gateway.records import log
from gateway.records.record import NO_TEXT
from gateway.worker.line_buffers import LineBuffers

_LONGEST_LINE = 8192


class OutputTooLong(Exception):
    """The cell printed more than `max_output_bytes`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the cell printed more than {limit} bytes")


class Pipe(Protocol):
    """The output of a program; after `detach` it goes to the log."""

    def detach(self) -> None: ...


class Contexts(Protocol):
    """What Flask knows of a request; `process` completes its response, and `close` must be called after that."""

    def process(self, response: Response) -> Response: ...

    def close(self) -> None: ...


class Output:
    """The output of one request.

    `request` is None once it is closed; `contexts` are those of Flask if the cell has touched them. `displayed_error`
    is an exception that IPython displayed instead of raising it; `displayed` is the last of `displays` objects that are
    not sent yet; `pipes` are of programs that the cell has started, and belong to the body until it is taken.
    """

    __slots__ = (
        "_append",
        "_line",
        "_log",
        "_room",
        "_stdout",
        "contexts",
        "displayed",
        "displayed_error",
        "displays",
        "is_open",
        "limit",
        "pipes",
        "request",
        "request_id",
        "stderr",
    )

    def __init__(self, request: Request, limit: int) -> None:
        self.request: Request | None = request
        self.request_id = request.request_id
        self.contexts: Contexts | None = None
        self.displayed: Response | None = None
        self.displayed_error: BaseException | None = None
        self.displays = 0
        self.is_open = True
        self.limit = self._room = limit
        self._stdout = io.StringIO()
        self._append = self._stdout.write
        self._line = ""  # of stderr, not complete yet
        self.pipes: Sequence[Pipe] = ()
        self._log: log.RequestLog | None = None  # most requests write nothing to it
        self.stderr = NO_TEXT  # the beginning of what was logged, for the record of the request

    def write_stdout(self, text: str) -> int:
        """Add `text` to the body. OutputTooLong: nothing of it was added."""
        self._room -= len(text)
        if self._room < 0:
            raise OutputTooLong(self.limit)
        return self._append(text)

    def write_stderr(self, text: str) -> int:
        """Log complete lines, and buffer the rest until its line is complete."""
        lines, newline, self._line = (self._line + text).rpartition("\n")
        if newline:
            self._log_lines(lines)
        if len(self._line) > _LONGEST_LINE:
            self._flush_stderr()
        return len(text)

    def stdout(self) -> bytes:
        """What was printed since `clear`, as UTF-8. OutputTooLong: also if the cell caught that exception."""
        if self.pipes:
            self._detach_pipes()
        data = self._stdout.getvalue().encode("utf-8", "replace")
        if self._room < 0 or len(data) > self.limit:
            raise OutputTooLong(self.limit)
        return data

    def take_displayed(self) -> Response | None:
        """What was displayed last, which is to be sent."""
        response, self.displayed = self.displayed, None
        self.displays -= response is not None
        return response

    def log_stdout(self) -> None:
        """Log what was printed since `clear`: it is not in a body that something else makes."""
        if self._room != self.limit:
            self.write_stderr(self._stdout.getvalue())
            self._clear_stdout()

    def clear(self) -> None:
        """Discard what was printed or displayed, and its length."""
        self._clear_stdout()
        self.displayed = self.displayed_error = None
        self.displays = 0

    def _clear_stdout(self) -> None:
        self._stdout.seek(0)
        self._stdout.truncate()
        self._room = self.limit

    def close(self) -> None:
        """Free everything, as a task that the cell started may still hold the context."""
        if self.pipes:
            self._detach_pipes()
        self.is_open = False
        self.request = self.contexts = self.displayed = self.displayed_error = None
        self._stdout.close()
        self._flush_stderr()
        if self._log:
            self._log.close()

    def close_copy(self) -> None:
        """In a process that the cell has forked, whose response is not sent: what it prints goes to the log."""
        self.is_open = False
        self.pipes = ()

    def _detach_pipes(self) -> None:
        pipes, self.pipes = self.pipes, ()
        for pipe in pipes:
            pipe.detach()

    def _flush_stderr(self) -> None:
        if self._line:
            self._log_lines(self._line)
            self._line = ""

    def _log_lines(self, text: str) -> None:
        if self._log is None:
            self._log = log.RequestLog(self.request_id)
        self._log.write(text)
        self.stderr = self.stderr.concat(text + "\n")


class LogOutput(Output):
    """The output of a function, whose value is the response: what it prints goes to the log too."""

    __slots__ = ()

    def write_stdout(self, text: str) -> int:
        return self.write_stderr(text)


CURRENT: ContextVar[Output | None] = ContextVar("notebook_request", default=None)


class OutputStreams:
    """sys.stdout and sys.stderr of this kernel, redirected to the current request's Output."""

    def __init__(self) -> None:
        self._stdout: Any = sys.stdout
        self._stderr: Any = sys.stderr
        self._stdout_lines, self._stderr_lines = LineBuffers(), LineBuffers()

    def redirect(self) -> None:
        _redirect(self._stdout, lambda output, text: output.write_stdout(text), self._stdout_lines)
        _redirect(self._stderr, lambda output, text: output.write_stderr(text), self._stderr_lines)

    def restore(self) -> None:
        """Put our streams back where a cell has replaced or deleted them."""
        sys.stdout, sys.stderr = self._stdout, self._stderr


def _redirect(stream: Any, write_to_request: Any, lines: LineBuffers) -> None:
    write_to_protocol, flush_protocol = stream.write, stream.flush
    main_thread = threading.main_thread().ident
    # ipykernel's thread that copies descriptor 1 or 2 to the log by itself, and to the protocol through this write.
    copier = getattr(stream, "watch_fd_thread", None)
    this_thread = threading.get_ident

    def write(text: str) -> int:
        output = CURRENT.get()
        if output is not None and output.is_open:
            return write_to_request(output, text)  # type: ignore[no-any-return]
        if copier is None or this_thread() != copier.ident:
            lines.write(output.request_id if output is not None else log.NO_REQUEST, text)
        if output is None and this_thread() == main_thread:
            write_to_protocol(text)
        return len(text)

    def flush() -> None:
        lines.flush()
        if CURRENT.get() is None and this_thread() == main_thread:
            flush_protocol()

    stream.write, stream.flush = write, flush
