"""Static files below `/public/`, if a folder is configured (stock's KG_STATIC_PATH)."""

import mimetypes
import urllib.parse
from http import HTTPStatus
from pathlib import Path

from gateway.http.regular_file import ENV_FILE, read_regular
from gateway.http.request import Request
from gateway.http.response import Response


class StaticFiles:
    """Serves the files below `folder` at paths that begin with `prefix`; without a folder it serves none."""

    def __init__(self, folder: str | None, prefix: str) -> None:
        self._folder = Path(folder).resolve() if folder else None
        self._prefix = prefix

    def find(self, request: Request) -> Response | None:
        """The response with the requested file; None if there is none in the folder, by `..` or a symlink either."""
        path = urllib.parse.unquote(request.url.partition("?")[0])
        if self._folder is None or request.method not in ("GET", "HEAD") or not path.startswith(self._prefix):
            return None
        try:
            file = (self._folder / path.removeprefix(self._prefix)).resolve()
            if not file.is_relative_to(self._folder) or file.name == ENV_FILE:
                return None
            content = read_regular(file)
        except (OSError, ValueError):
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return Response(HTTPStatus.OK, [("Content-Type", kind)], content)
