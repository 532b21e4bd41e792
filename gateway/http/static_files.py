"""Static files below `/public/`, if a folder is configured (stock's KG_STATIC_PATH)."""

import mimetypes
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from gateway.http import address
from gateway.http.regular_file import ENV_FILE, read_regular
from gateway.http.request import Request
from gateway.http.response import Response

_PREFIX = "/public/"


class StaticFiles:
    """Serves the files below `folder`; without a folder it serves none."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder).resolve() if folder else None

    def find(self, request: Request) -> Response | None:
        """The response with the requested file; None if there is none in the folder, by `..` or a symlink either."""
        path = unquote(address.split(request.target)[1])
        if self._folder is None or request.method not in ("GET", "HEAD") or not path.startswith(_PREFIX):
            return None
        try:
            file = (self._folder / path.removeprefix(_PREFIX)).resolve()
            if not file.is_relative_to(self._folder) or file.name == ENV_FILE:
                return None
            content = read_regular(file)
        except (OSError, ValueError):
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return Response(HTTPStatus.OK, [("Content-Type", kind)], content)
