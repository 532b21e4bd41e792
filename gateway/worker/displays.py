"""Takes what IPython displays during a request, which would go to a Jupyter client that nobody looks at.

What was displayed last is the response where the cell gives no other. An exception that IPython displays instead of
raising it fails the request.
"""

import json
import sys
from collections.abc import Mapping
from numbers import Real
from types import NoneType
from typing import Any

from jupyter_client.jsonutil import json_default

from gateway.http.response import OK, TEXT, Response
from gateway.notebook.failure import ANSI
from gateway.records import log
from gateway.worker import rich_display
from gateway.worker.output import CURRENT, Output


def install(shell: Any) -> None:
    """Take displays and displayed exceptions of requests. Others are as they were; the exceptions are logged too."""
    formatter, publisher = shell.display_formatter, shell.display_pub
    format_value, publish, show_error = formatter.format, publisher.publish, shell._showtraceback

    def format_with_json(value: Any, *args: Any, **options: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        bundle, metadata = format_value(value, *args, **options)
        return (bundle if CURRENT.get() is None else _with_value(bundle, value)), metadata

    def take(data: Mapping[str, Any], *args: Any, **options: Any) -> None:
        output = CURRENT.get()
        if output is None:
            publish(data, *args, **options)
        elif output.is_open:
            output.displayed = rich_display.from_bundle(data) or _plain(data)
            output.displays += 1
        else:
            log.write_lines(output.request_id, "displayed after the response, and not sent")

    def take_error(kind: type[BaseException], error: BaseException, lines: list[str]) -> None:
        output = CURRENT.get()
        if output is None:
            log.write_lines(log.NO_REQUEST, ANSI.sub("", "\n".join(lines)))
            show_error(kind, error, lines)
        else:
            output.displayed_error = error

    formatter.format, publisher.publish, shell._showtraceback = format_with_json, take, take_error


def take_last(output: Output) -> Response | None:
    """What was displayed last; None if nothing was. A matplotlib figure that is left open counts, as in Jupyter."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    if backend is not None and output.displayed is None:
        backend.flush_figures()
    return output.take_displayed()


def log_unsent(output: Output) -> None:
    """Say in the log that something was displayed in vain; once the response has been chosen."""
    if output.displays:
        number = "1 display is" if output.displays == 1 else f"{output.displays} displays are"
        output.write_stderr(
            f"{number} not sent: a response is what the cell returns or prints, else its last display\n"
        )


def _with_value(bundle: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """`bundle` with `value` itself as JSON, or as text, in place of its repr."""
    if isinstance(value, str):
        return {**bundle, "text/plain": value}
    if isinstance(value, dict | list | tuple | Real | NoneType):
        try:
            json.dumps(value, default=json_default, allow_nan=False)
        except (TypeError, ValueError):
            return bundle
        return {**bundle, "application/json": value}
    return bundle


def _plain(data: Mapping[str, Any]) -> Response:
    return Response(OK, [("Content-Type", TEXT)], str(data.get("text/plain", "")).encode("utf-8", "replace"))
