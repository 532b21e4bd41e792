"""How the end of a cell becomes an answer, as in the stock gateway.

What the cell printed; else the last expression's mime bundle as JSON; else nothing. `text/plain`, unless a
ResponseInfo cell says otherwise. A last expression that is a flask.Response is the answer, and what such a
cell printed goes to the log.
"""

import json
from http import HTTPStatus
from typing import Any

from jupyter_client.jsonutil import json_default

from gateway.http.response import Response
from gateway.worker import flask_compat
from gateway.worker.output import Output, OutputTooLong


def answer(shell: Any, value: Any, output: Output) -> Response:
    """The answer to a cell that ended with `value`. Raises as `said` does."""
    made = flask_compat.response(value)
    if made is None:
        return Response(HTTPStatus.OK, [("Content-Type", "text/plain")], said(shell, value, output))
    if aside := said(shell, None, output):
        output.write_error(aside.decode())
    return made


def said(shell: Any, value: Any, output: Output) -> bytes:
    """What a cell printed, else its value.

    OutputTooLong: either is. Else the error that a magic or a formatter displayed instead of raising it.
    """
    text = output.printed() or _bundle(shell, value)
    if output.shown_error is not None:
        raise output.shown_error
    if len(text) > output.limit:
        raise OutputTooLong(output.limit)
    return text


def _bundle(shell: Any, value: Any) -> bytes:
    """The mime bundle as JSON; empty for None and for objects that display themselves."""
    if value is None:
        return b""
    formatted, _ = shell.display_formatter.format(value)
    return json.dumps(formatted, default=json_default).encode() if formatted else b""
