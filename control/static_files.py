"""Browser files are kept for good by browsers: each address says which content it stands for."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

FOR_GOOD = "public, max-age=31536000, immutable"  # nothing in them is secret


def keep_for_good(app: Flask) -> None:
    """Add a version to the address of each static file, and let browsers keep what was asked for with one.

    Without, a browser asks anew for each file whenever a page is opened, and paints when it has the answers.
    """
    folder = Path(str(app.static_folder))

    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            file = folder / values["filename"]
            values["v"] = version(file, file.stat().st_mtime_ns)

    app.url_defaults(add_version)
    app.after_request(allow)


@lru_cache(maxsize=64)
def version(file: Path, _changed: int) -> str:
    """A hash of the file's content, made again when the file has changed."""
    return hashlib.blake2s(file.read_bytes(), digest_size=6).hexdigest()


def allow(response: Response) -> Response:
    if request.endpoint == "static" and request.args.get("v") and response.status_code in {200, 304}:
        response.headers["Cache-Control"] = FOR_GOOD
    return response
