"""Where callers reach which APIs: what should be served, and which of it is the default API."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

from control.config.errors import NotServed, StorageError
from control.config.run_dir import RunDir, api_address, point_link, write_text
from control.config.settings import Settings
from control.deployment.state import Serving, ServingFile
from control.projects import catalog

NOT_SERVING = "No notebook is being served. Start one on the homepage, or with /process/start?notebook=<project>."


class Routes:
    """Thread-safe. An API changes its own link (slots.py), and with it, here, what is noted of it."""

    def __init__(self, settings: Settings) -> None:
        self.run = RunDir(settings.run_dir)
        self.file = ServingFile(self.run, settings.notebook_dir, catalog.names_in(settings.serve))
        self.lock = threading.RLock()

    @property
    def serving(self) -> Serving:
        """What should be served."""
        with self.lock:
            return self.file.load()

    @property
    def reachable(self) -> list[str]:
        """Those of them that have an address by now, sorted by name."""
        return sorted(name for name in self.serving.apis if self.run.api_link(name).is_symlink())

    def publisher(self, name: str, becomes_default: Callable[[Serving], bool] = lambda _: False) -> Callable[[], None]:
        """A function that notes that a project is served from now on, at /invoke/ too if it `becomes_default`.

        It is given what is served until then. Raises StorageError.
        """

        def publish() -> None:
            with self.lock:
                is_default = becomes_default(self.serving) or self.serving.default == name
                if is_default:
                    point_link(self.run.default_link, self.run.api_link(name))
                self._store(self.serving.add(name, is_default=is_default))

        return publish

    def withdraw(self, name: str) -> None:
        """Note that a project should not be served any more."""
        with self.lock:
            if self.serving.default == name:
                self.run.default_link.unlink(missing_ok=True)
            self._store(self.serving.remove(name))

    def set_default(self, name: str) -> None:
        """Let a project answer at /invoke/ from now on; raises NotServed, StorageError."""
        with self.lock:
            if name not in self.reachable:
                served = f" Served are: {', '.join(self.reachable)}." if self.reachable else ""
                raise NotServed(f"{name} is not being served. Start it first.{served}")
            self.publisher(name, lambda _: True)()

    def restore(self) -> None:
        """Make links and files agree with what is noted, after a crash between two of them. Raises StorageError."""
        with self.lock:
            if default := self.serving.default:
                point_link(self.run.default_link, self.run.api_link(default))
            if self.run.serving.exists():
                self._store(self.serving)  # beside the notebooks too
            self._write_not_serving()

    def _store(self, serving: Serving) -> None:
        self.file.store(serving)
        self._write_not_serving()

    def _write_not_serving(self) -> None:
        """Write what nginx answers where there is no API."""
        message = NOT_SERVING
        if names := self.reachable:
            addresses = ", ".join(f"{quote(api_address(name))}/" for name in names)
            message = f"No API is being served at this address. There are: {addresses}"
        with suppress(StorageError):  # then the text is an older one
            body = {"message": message, "extensions": {"code": "not-serving"}}
            write_text(self.run.not_serving, json.dumps(body) + "\n")
