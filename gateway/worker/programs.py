"""Routes what programs print that a cell starts: stdout into the body of its response, stderr into the log.

A program inherits descriptors 1 and 2, which all requests of a kernel share. So one that a request starts gets pipes of
its own instead, unless the cell passes something else for it. What it prints after the body was taken goes to the log
under the request's id. Programs that C code or `os.posix_spawn` start are not covered: they print to the log.
"""

import codecs
import functools
import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterable
from typing import Any

from gateway.records import log
from gateway.worker.output import CURRENT, Output, OutputTooLong

_PIPE_BYTES = 65536  # what a pipe can hold (pipe(7)), so that one read empties it


class ProgramPipe:
    """A pipe for a program, which writes to the descriptor `input`; `write` gets the text.

    `is_over` once nothing more is to be read: the program, and what it has started, has closed its end.
    """

    def __init__(self, write: Callable[[str], object], request_id: str) -> None:
        self.descriptor, self.input = os.pipe()
        os.set_blocking(self.descriptor, False)
        self._write = write
        self._request_id = request_id
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._lock = threading.Lock()
        self.is_over = False

    def read(self) -> None:
        """Pass on what is in the pipe now."""
        with self._lock:
            if self.is_over:
                return
            try:
                data = os.read(self.descriptor, _PIPE_BYTES)
            except BlockingIOError:
                return
            try:
                self._write(self._decode(data, not data))
            except OutputTooLong:
                data = b""  # the program gets a SIGPIPE, as in `yes | head`
            self.is_over = not data

    def detach(self) -> None:
        """Pass on what is in the pipe, and log all that comes later."""
        self.read()
        with self._lock:
            self._write = functools.partial(log.write_part, self._request_id)


def install() -> None:
    """Give programs pipes that are started in a request: by subprocess, asyncio or os.system."""
    start, wait = subprocess.Popen.__init__, subprocess.Popen.wait

    @functools.wraps(start)
    def start_program(
        self: Any,
        args: Any,
        bufsize: int = -1,
        executable: Any = None,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        *more: Any,
        **options: Any,
    ) -> None:
        output = CURRENT.get()
        pipes: dict[str, ProgramPipe] = {}
        if output is not None and output.is_open:
            pipes = _open_pipes(output, stdout is None, stderr is None)
        streams = {"stdout": stdout, "stderr": stderr, **{name: pipe.input for name, pipe in pipes.items()}}
        try:
            start(self, args, bufsize, executable, stdin, streams["stdout"], streams["stderr"], *more, **options)
        finally:  # if it does not start, the pipes have come to their ends
            for pipe in pipes.values():
                os.close(pipe.input)
        self._request_pipes = tuple(pipes.values())

    @functools.wraps(wait)
    def wait_for_program(self: Any, timeout: float | None = None) -> int:
        status = wait(self, timeout)
        for pipe in getattr(self, "_request_pipes", ()):  # before the cell prints more
            pipe.read()
        return status

    def system(command: Any) -> int:
        """os.system by way of subprocess; the result is a wait status here too (waitpid(2))."""
        status = subprocess.call(command, shell=True)  # noqa: S602 - as os.system does
        return status << 8 if status >= 0 else -status

    subprocess.Popen.__init__ = start_program  # type: ignore[method-assign]
    subprocess.Popen.wait = wait_for_program  # type: ignore[method-assign]
    os.system = system


def _open_pipes(output: Output, for_stdout: bool, for_stderr: bool) -> dict[str, ProgramPipe]:
    writers = {"stdout": output.write_stdout} if for_stdout else {}
    if for_stderr:
        writers["stderr"] = output.write_stderr
    pipes = {name: ProgramPipe(write, output.request_id) for name, write in writers.items()}
    output.pipes = [*output.pipes, *pipes.values()]
    threading.Thread(target=_read_all, args=(pipes.values(),), name="output of a program", daemon=True).start()
    return pipes


def _read_all(pipes: Iterable[ProgramPipe]) -> None:
    """Read until all are over, and close them: only here, as nobody may use their numbers while this waits."""
    poll = select.poll()
    by_descriptor = {pipe.descriptor: pipe for pipe in pipes}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    while by_descriptor:
        for descriptor, _ in poll.poll():
            pipe = by_descriptor[descriptor]
            pipe.read()
            if pipe.is_over:
                poll.unregister(descriptor)
                os.close(descriptor)
                del by_descriptor[descriptor]
