"""Lets browsers cache static files forever: a file's address includes a hash of its content."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request


def init_app(app: Flask) -> None:
    """Give templates `static_url`, and make responses to versioned addresses cacheable.

    Otherwise a browser revalidates each file whenever a page is opened, and paints only after the responses.
    """
    folder = Path(str(app.static_folder))

    def static_url(name: str) -> str:
        """The versioned address of a file in the static folder; raises OSError where it does not exist."""
        file = folder / name
        return f"{app.static_url_path}/{name}?v={version(file, file.stat().st_mtime_ns)}"

    app.add_template_global(static_url)
    app.after_request(set_cache_control)


@lru_cache(maxsize=64)
def version(file: Path, _mtime: int) -> str:
    """A hash of the content, computed again when the file has changed."""
    return hashlib.blake2s(file.read_bytes(), digest_size=6).hexdigest()


def set_cache_control(response: Response) -> Response:
    if request.endpoint == "static" and request.args.get("v") and response.status_code in {200, 304}:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"  # nothing in them is secret
    return response
