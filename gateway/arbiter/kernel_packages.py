"""Why kernels cannot start: the packages in their environment that they are made of."""

import asyncio
import os
from importlib.metadata import distributions, version
from pathlib import Path

from gateway.arbiter import prefork
from gateway.notebook.failure import NotebookError

# What a kernel and the engine in it are made of. Their names, as in metadata, with `_`.
PACKAGES = frozenset(
    ("comm", "ipykernel", "ipython", "jupyter_client", "jupyter_core", "pyzmq", "tornado", "traitlets")
)


async def blame(error: NotebookError) -> NotebookError:
    """The error of a start that failed outside of the cells; one that names the packages, where they are the reason."""
    reason = await asyncio.to_thread(prefork.find_error) or _find_replaced()
    if not reason:
        return error
    text = f"no kernel can start with the packages that are installed in its environment ({reason})"
    return NotebookError.outside_cells("UnusableEnvironment", text)


def _find_replaced() -> str:
    """Those that the environment has in another version than the product's: `ipython 7.34.0 in place of 9.18.1`."""
    environment = os.environ.get("VIRTUAL_ENV")
    folders = map(str, Path(environment).glob("lib/python*/site-packages")) if environment else ()
    installed = {each.name.lower().replace("-", "_"): each.version for each in distributions(path=list(folders))}
    replaced = [name for name in sorted(PACKAGES & set(installed)) if installed[name] != version(name)]
    return ", ".join(f"{name} {installed[name]} in place of {version(name)}" for name in replaced)
