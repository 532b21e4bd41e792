"""A request as a WSGI environment (PEP 3333), from which Flask's request object is made."""

import io
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from gateway.http import address
from gateway.http.request import Request

_NOT_PREFIXED = {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"}


def to_environ(request: Request) -> dict[str, Any]:
    """The environment of `request`, whose body must still be there. nginx has told the client's address and scheme.

    SCRIPT_NAME is not decoded, as werkzeug's `url_for` puts it into URLs as it is.
    """
    root, path = address.split(request.target)
    scheme = request.header("X-Forwarded-Proto") or "http"
    host, port = _host_and_port(request.header("Host") or "localhost", scheme)
    return {
        **_headers(request),
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root.decode("latin-1"),
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": request.url.partition("?")[2],
        "REQUEST_URI": request.url,
        "CONTENT_TYPE": request.header("Content-Type"),
        "CONTENT_LENGTH": str(len(request.content)),
        "REMOTE_ADDR": request.header("X-Real-Ip"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(request.content),  # which shares the bytes
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _headers(request: Request) -> dict[str, str]:
    """{"HTTP_X_NAME": value}. `X_Name` becomes the same as `X-Name`, which nginx may have set: that one counts."""
    headers: dict[str, str] = {}
    for name in sorted(request.headers, key=lambda name: "_" not in name):
        value = request.headers[name]
        separator = "; " if name == "Cookie" else ","
        key = f"HTTP_{name.upper().replace('-', '_')}"
        if key not in _NOT_PREFIXED:
            headers[key] = value if isinstance(value, str) else separator.join(value)
    return headers


def _host_and_port(host: str, scheme: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        return name, port
    return host, "443" if scheme == "https" else "80"
