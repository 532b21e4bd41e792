"""Files that are served as they are, below `/public/`, where a folder is configured (stock's KG_STATIC_PATH)."""

import mimetypes
import urllib.parse
from http import HTTPStatus
from pathlib import Path

from gateway.http.request import Request
from gateway.http.response import Response


class StaticFiles:
    """The files below `folder`, None for no files at all, at paths that begin with `prefix`."""

    def __init__(self, folder: str | None, prefix: str) -> None:
        self._folder = Path(folder).resolve() if folder else None
        self._prefix = prefix

    def find(self, request: Request) -> Response | None:
        """The answer with the file that is asked for; None where it is none of ours, by `..` or a symlink too."""
        path = urllib.parse.unquote(request.url.partition("?")[0])
        if self._folder is None or request.method not in ("GET", "HEAD") or not path.startswith(self._prefix):
            return None
        try:
            file = (self._folder / path.removeprefix(self._prefix)).resolve()
            if not file.is_relative_to(self._folder):
                return None
            content = file.read_bytes()
        except (OSError, ValueError):
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return Response(HTTPStatus.OK, [("Content-Type", kind)], content)
