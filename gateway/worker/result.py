"""Turns the result of a cell into a response, as the stock gateway does.

The body is what the cell printed; else the last expression's mime bundle as JSON. It is `text/plain` in UTF-8, unless
a ResponseInfo cell says otherwise. Else the response is what the cell displayed last; else it is empty. A last
expression that is a flask.Response is the response, and what such a cell printed goes to the log.
"""

import json
from typing import Any

from jupyter_client.jsonutil import json_default

from gateway.http.response import OK, TEXT, Response
from gateway.worker import displays, flask_compat, rich_display
from gateway.worker.output import Output, OutputTooLong


def to_response(shell: Any, value: Any, output: Output) -> Response:
    """The response of a cell whose last expression is `value`. Raises as `to_bytes` does."""
    response = flask_compat.from_response(value)
    if response is not None:
        to_bytes(shell, None, output)
        output.log_stdout()
    elif body := to_bytes(shell, value, output):
        response = Response(OK, [("Content-Type", TEXT)], body)
    else:
        response = displays.take_last(output) or Response(OK, [("Content-Type", TEXT)])
        _check(response.body, output)
    if output.displays:
        displays.log_unsent(output)
    return response


def to_bytes(shell: Any, value: Any, output: Output) -> bytes:
    """What a cell printed, else its value.

    OutputTooLong: either is. Also raises the exception that a magic or a formatter displayed instead of raising it.
    """
    return _check(output.stdout() or _mime_bundle(shell, value), output)


def to_info(value: Any, output: Output) -> bytes:
    """What a ResponseInfo cell printed, else its value: a dictionary, or JSON text. Raises as `to_bytes` does.

    TypeError, ValueError: the value cannot be written as JSON.
    """
    data = output.stdout()
    if not data and value is not None:
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
    return _check(data, output)


def _check(data: bytes, output: Output) -> bytes:
    if output.displayed_error is not None:
        raise output.displayed_error
    if len(data) > output.limit:
        raise OutputTooLong(output.limit)
    return data


def _mime_bundle(shell: Any, value: Any) -> bytes:
    """The mime bundle as JSON; empty for None and for objects that display themselves."""
    if value is None:
        return b""
    bundle = rich_display.format_value(shell, value)
    return json.dumps(bundle, default=json_default).encode() if bundle else b""
