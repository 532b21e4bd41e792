"""Flask's vocabulary in a cell: `flask.abort(404)`, and a last expression that is a `flask.Response` or a tuple of one.

Any werkzeug HTTPException and Response will do. Neither package is imported here: a cell that uses them has
done so.
"""

import sys
from typing import Any

from gateway.http.request import Request
from gateway.http.response import CONTROL, FRAMING, HEADER_NAME, WITHOUT_BODY, Response, json_error
from gateway.http.wire import Headers
from gateway.worker.streams import AsyncStream, SyncStream


def from_response(value: Any) -> Response | None:
    """The response that a werkzeug Response describes, or Flask's tuple of one, (response, status, headers).

    None if `value` is neither. Generators stay unread. ValueError: it has a status or a header that cannot be sent.
    TypeError: Flask cannot read the tuple.
    """
    module = sys.modules.get("werkzeug.wrappers") if value is not None else None
    if module is None:
        return None
    if isinstance(value, tuple) and value and isinstance(value[0], module.Response) and "flask" in sys.modules:
        value = sys.modules["flask"].current_app.make_response(value)
    if not isinstance(value, module.Response):
        return None
    if not 200 <= value.status_code <= 599:  # nginx and HTTP accept no others; 1xx is not a final response
        raise ValueError(f"the response has the status {value.status_code}: give one from 200 to 599")
    headers = checked_headers(value.headers.to_wsgi_list())
    if value.status_code in WITHOUT_BODY:
        value.close()
        return Response(value.status_code, headers)
    if hasattr(value.response, "__aiter__"):
        return Response(value.status_code, headers, stream=AsyncStream(value.response, on_close=value.close))
    if value.is_streamed or value.direct_passthrough:
        return Response(value.status_code, headers, stream=SyncStream(value.iter_encoded(), on_close=value.close))
    return Response(value.status_code, headers, value.get_data())


def from_http_exception(error: BaseException, request: Request) -> Response | None:
    """A werkzeug HTTPException as JSON with its status and headers; None if `error` is not one."""
    module = sys.modules.get("werkzeug.exceptions")
    if module is None or not isinstance(error, module.HTTPException):
        return None
    if error.response is not None:  # abort(Response(…)), redirects
        return from_response(error.response) if 200 <= error.response.status_code <= 599 else None
    status = error.code if error.code and 200 <= error.code <= 599 else 500
    headers = [pair for pair in checked_headers(error.get_headers()) if pair[0].lower() != "content-type"]
    code = (error.name or "error").lower().replace(" ", "-")
    return json_error(status, code, error.description or error.name, request, headers)


def checked_headers(pairs: Headers) -> Headers:
    """`pairs` without the headers that the server sets. ValueError: one could start another header line."""
    for name, value in pairs:
        if not HEADER_NAME.fullmatch(name) or CONTROL.search(value):
            raise ValueError(f"the response sets the header {name!r} to {value!r}")
    return [pair for pair in pairs if pair[0].lower() not in FRAMING]
