"""Logs what fails in the event loop outside of requests: tasks and callbacks that ordinary cells started."""

import asyncio
from contextvars import Context
from typing import Any


def report_failures(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` log the exceptions that nobody handles, and those of the tasks that run already.

    asyncio reports a task's exception only once nothing refers to the task, and a notebook keeps its tasks in globals.
    """
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(_log)
    for task in asyncio.all_tasks(loop):
        task.add_done_callback(_report)


def _report(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()):
        context = {"message": "A task has failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)


def _log(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As by default, but never as output of the request that happens to run when a task is collected."""
    Context().run(loop.default_exception_handler, context)
