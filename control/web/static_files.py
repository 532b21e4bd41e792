"""Browser files are kept for good by browsers: each address says which content it stands for."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request

FOR_GOOD = "public, max-age=31536000, immutable"  # nothing in them is secret


def keep_for_good(app: Flask) -> None:
    """Give templates `static_url`, and let browsers keep what was asked for with a version.

    Without, a browser asks anew for each file whenever a page is opened, and paints when it has the answers.
    """
    folder = Path(str(app.static_folder))

    def static_url(name: str) -> str:
        """The address of a file in the static folder, with its version; raises OSError where there is none."""
        file = folder / name
        return f"{app.static_url_path}/{name}?v={version(file, file.stat().st_mtime_ns)}"

    app.add_template_global(static_url)
    app.after_request(allow)


@lru_cache(maxsize=64)
def version(file: Path, _changed: int) -> str:
    """A hash of the file's content, made again when the file has changed."""
    return hashlib.blake2s(file.read_bytes(), digest_size=6).hexdigest()


def allow(response: Response) -> Response:
    if request.endpoint == "static" and request.args.get("v") and response.status_code in {200, 304}:
        response.headers["Cache-Control"] = FOR_GOOD
    return response
