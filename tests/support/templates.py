"""The shipped projects, served by a real stack."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stack import ROOT, Stack


@contextmanager
def serving(project: str, **settings: str) -> Iterator[Stack]:
    """A stack of its own that serves a copy of notebook/`project`, with `settings` in its environment."""
    with Stack(**settings) as stack:
        shutil.copytree(ROOT / "notebook" / project, stack.notebook_dir / project)
        stack.start()
        started = stack.start_api(project)
        assert started.status_code == 200, started.text
        yield stack
