"""The APIs that are being served, by their addresses."""

import os
from pathlib import Path

from control.config.run_dir import RunDir
from control.tools.api import Api, NoAnswer, describe_absence


class Apis:
    def __init__(self, run: RunDir, max_answer: int) -> None:
        """`max_answer`: the largest body of a response, in bytes."""
        self._run = run
        self._max_answer = max_answer
        self._known: dict[tuple[str, bool], Api] = {}  # each keeps its operations

    def find(self, slug: str | None) -> Api:
        """The API at /apis/<slug>, or the default one; raises NoAnswer.

        What a client sends is only ever compared with the names of links, never a part of a path.
        """
        served = self._list_served()
        name = slug or self._read_default()
        if name not in served:
            raise NoAnswer(describe_absence(self._run, slug))
        self._known = {key: api for key, api in self._known.items() if key[0] in served}
        key = name, slug is None
        return self._known.setdefault(key, Api(self._run, name, self._max_answer, is_default=slug is None))

    def _list_served(self) -> set[str]:
        try:
            names = os.listdir(self._run.api_links)  # noqa: PTH208 only the names are needed
        except OSError:
            return set()
        return {name for name in names if not name.startswith(".")}  # such a link is only half made

    def _read_default(self) -> str:
        """The slug of the default API: it stays that of a call whose default changes meanwhile."""
        try:
            return Path(os.readlink(self._run.default_link)).name  # noqa: PTH115 Path.readlink is the same
        except OSError:
            return ""
