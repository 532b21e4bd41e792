"""The richest form of an object as a response, by Jupyter's display protocol (IPython's manual, "Rich display").

An image goes before a page, and a page before JSON: it is what a notebook shows.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from jupyter_client.jsonutil import json_default

from gateway.http.response import OK, Response
from gateway.worker.output import CURRENT

Bundle = Mapping[str, Any]  # {mime type: data}; binary data is bytes, or base64 as str

_BINARY = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
_TEXT = ("image/svg+xml", "text/html", "application/json", "text/markdown", "text/latex", "application/javascript")


def to_response(shell: Any, value: Any) -> Response | None:
    """`value` as an image, a page, JSON or marked-up text, whichever comes first; None if it has a plain text only.

    What it displays, if it displays itself.

    Raises what its `_repr_…_` raises, which IPython displays instead.
    """
    bundle = format_value(shell, value)
    output = CURRENT.get()
    if output is not None and output.displayed_error is not None:
        raise output.displayed_error
    if not bundle and output is not None:
        return output.take_displayed()
    return from_bundle(bundle)


def format_value(shell: Any, value: Any) -> Bundle:
    """The mime bundle of `value`, as IPython makes it; what is displayed is another (displays.py). Empty for an object
    that displays itself.
    """
    formatter = shell.display_formatter
    bundle: Bundle = type(formatter).format(formatter, value)[0]
    return bundle


def from_bundle(bundle: Bundle) -> Response | None:
    """The richest data of a mime bundle; None if that is its `text/plain`."""
    for kind in (*_BINARY, *_TEXT, *bundle):
        if kind in bundle and kind != "text/plain":
            return Response(OK, [("Content-Type", _content_type(kind))], _encode(kind, bundle[kind]))
    return None


def _content_type(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _encode(kind: str, data: Any) -> bytes:
    if isinstance(data, bytes):
        return data
    if kind in _BINARY:
        return base64.b64decode(data)
    if isinstance(data, str) and not kind.endswith("json"):
        return data.encode("utf-8", "replace")
    return json.dumps(data, default=json_default).encode()
