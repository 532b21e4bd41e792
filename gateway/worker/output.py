"""What a cell prints: stdout becomes the body of its request, stderr goes to the log line by line.

The kernel's own stream objects stay in place, and only their `write` and `flush` are replaced, because
ordinary cells have handed them on: `logging.basicConfig()` keeps the sys.stderr it saw.

Which request a write belongs to is a context variable. Tasks that a cell starts inherit it. Threads do not,
so what they print goes to the log, as does what a task prints after its request was answered; each line gets a
label there too, so that a caller's text in it cannot pass for another request's line. Code that runs through the
Jupyter protocol still prints to the protocol. `os.system` and C code write to descriptor 1, which leads to the
log as it is.
"""

import io
import sys
import threading
from contextvars import ContextVar
from typing import Any

from gateway.records import log
from gateway.records.record import NO_TEXT, Excerpt

_LONGEST_LINE = 8192


class OutputTooLong(Exception):
    """The cell printed more than `max_output_bytes`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the cell printed more than {limit} bytes")


class Output:
    """What one request prints. `shown_error` is an exception that IPython displayed instead of raising it."""

    __slots__ = ("_aside", "_err", "_room", "_text", "_wrote", "is_open", "limit", "request_id", "shown_error")

    def __init__(self, request_id: str, limit: int) -> None:
        self.request_id = request_id
        self.shown_error: BaseException | None = None
        self.is_open = True
        self.limit = self._room = limit
        self._text = io.StringIO()
        self._wrote = self._text.write
        self._err = ""
        self._aside = NO_TEXT  # of what went to the log, the beginning

    def write(self, text: str) -> int:
        """Keep `text` for the body. OutputTooLong: nothing of it was kept."""
        self._room -= len(text)
        if self._room < 0:
            raise OutputTooLong(self.limit)
        return self._wrote(text)

    def write_error(self, text: str) -> int:
        """Pass complete lines on to the log, and keep the rest until its line is complete."""
        whole, newline, self._err = (self._err + text).rpartition("\n")
        if newline:
            self._log(whole)
        if len(self._err) > _LONGEST_LINE:
            self._flush_error()
        return len(text)

    def printed(self) -> bytes:
        """What was printed since `clear`, as UTF-8. OutputTooLong: even if the cell swallowed it."""
        data = self._text.getvalue().encode("utf-8", "replace")
        if self._room < 0 or len(data) > self.limit:
            raise OutputTooLong(self.limit)
        return data

    def clear(self) -> None:
        """Forget what was printed, and how much."""
        self._text.seek(0)
        self._text.truncate()
        self._room = self.limit
        self.shown_error = None

    def said(self) -> Excerpt:
        """What went to the log, for the record."""
        return self._aside

    def close(self) -> None:
        """Nothing of the request is kept, even if a task that it started still holds its context."""
        self.is_open = False
        self.shown_error = None
        self._text.close()
        self._flush_error()

    def _flush_error(self) -> None:
        if self._err:
            self._log(self._err)
            self._err = ""

    def _log(self, text: str) -> None:
        log.write_lines(self.request_id, text)
        self._aside = self._aside.concat(text + "\n")


CURRENT: ContextVar[Output | None] = ContextVar("notebook_request", default=None)


class OutputStreams:
    """sys.stdout and sys.stderr of this kernel, led to whom they belong."""

    def __init__(self) -> None:
        self._stdout: Any = sys.stdout
        self._stderr: Any = sys.stderr

    def lead(self) -> None:
        _lead(self._stdout, Output.write)
        _lead(self._stderr, Output.write_error)

    def restore(self) -> None:
        """Undo what a cell did that put objects of its own in their place, or nothing at all, and left it so."""
        sys.stdout, sys.stderr = self._stdout, self._stderr


def raise_displayed_errors(shell: Any) -> None:
    """Have what IPython displays instead of raising, as for `%run`, fail the request that it happened in."""
    show = shell._showtraceback

    def _showtraceback(kind: type[BaseException], error: BaseException, lines: list[str]) -> None:
        output = CURRENT.get()
        if output is None:
            show(kind, error, lines)
        else:
            output.shown_error = error

    shell._showtraceback = _showtraceback


def _lead(stream: Any, to_request: Any) -> None:
    to_protocol, flush_protocol = stream.write, stream.flush
    main_thread = threading.main_thread().ident
    # It copies descriptor 1 or 2 to the log by itself, and to the protocol by way of this write.
    copier = getattr(stream, "watch_fd_thread", None)
    this_thread = threading.get_ident

    def write(text: str) -> int:
        output = CURRENT.get()
        if output is not None and output.is_open:
            return to_request(output, text)  # type: ignore[no-any-return]
        if output is None and this_thread() == main_thread:
            return to_protocol(text)  # type: ignore[no-any-return]
        if copier is None or this_thread() != copier.ident:
            log.write_part(output.request_id if output is not None else log.NO_REQUEST, text)
        return len(text)

    def flush() -> None:
        if CURRENT.get() is None and this_thread() == main_thread:
            flush_protocol()

    stream.write, stream.flush = write, flush
