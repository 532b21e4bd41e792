"""Jupyter's files, with `server.py` as a notebook."""

from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

from gateway.http.regular_file import read_regular
from gateway.notebook import text_notebook

NAME = "server.py"


class TextContentsManager(AsyncLargeFileManager):  # type: ignore[misc]
    """Jupyter's own, in which a notebook whose name ends with `.py` is text.

    `server.py` is a notebook, unless it is asked for as a file; another `.py` is a file, unless it is asked for as a
    notebook.
    """

    async def get(
        self, path: str, content: bool = True, type: str | None = None, format: str | None = None, **options: Any
    ) -> Any:
        """As its base class's."""
        if type is None and path.rpartition("/")[2] == NAME and await self.file_exists(path):
            type = "notebook"
        return await super().get(path, content=content, type=type, format=format, **options)

    async def _read_notebook(
        self, os_path: str, as_version: int = 4, capture_validation_error: Any = None, raw: bool = False
    ) -> Any:
        if not text_notebook.is_text(os_path):
            return await super()._read_notebook(os_path, as_version, capture_validation_error, raw)
        text, _, data = await self._read_file(os_path, "text", raw=True)
        try:
            content = await run_sync(text_notebook.read, text)
        except Exception as error:  # of many kinds, for a header of another form
            raise HTTPError(400, f"{Path(os_path).name} is not a notebook: {error}.") from error
        return (content, data) if raw else content

    async def _save_notebook(self, os_path: str, nb: Any, capture_validation_error: Any = None) -> Any:
        if not text_notebook.is_text(os_path):
            return await super()._save_notebook(os_path, nb, capture_validation_error)
        text = await run_sync(text_notebook.write, nb)
        if _has_crlf(os_path):
            text = text.replace("\n", "\r\n")
        return await self._save_file(os_path, text, "text")


def _has_crlf(path: str) -> bool:
    """Whether the lines of a file end as on Windows: a save should change no line that nobody has changed."""
    try:
        first, _, _ = read_regular(Path(path)).partition(b"\n")
    except OSError:  # a new file
        return False
    return first.endswith(b"\r")
