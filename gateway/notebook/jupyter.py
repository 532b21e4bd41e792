"""Gives what is opened in Jupyter from a project's folder, or below it, that project's variables."""

import os
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from jupyter_server_terminals.terminalmanager import TerminalManager

from gateway.notebook import variables
from gateway.notebook.failure import NotebookError


class ProjectProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels; each start and restart reads the variables anew."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Raises NotebookError, whose text Jupyter shows."""
        environ = {**kwargs.pop("env", os.environ), **_read(kwargs.get("cwd"))}
        launch: dict[str, Any] = await super().pre_launch(env=environ, **kwargs)
        return launch


class ProjectTerminals(TerminalManager):
    """Opens terminals; one says what is wrong with the variables, as it is where they are mended."""

    def new_terminal(self, **kwargs: Any) -> Any:
        try:
            environ = _read(kwargs.get("cwd"))
        except NotebookError as error:
            command = ["sh", "-c", 'echo "$0"; exec "$@"', error.failure.value, *self.shell_command]
            return super().new_terminal(**{"shell_command": command, **kwargs})
        return super().new_terminal(**{"extra_env": environ, **kwargs})


def _read(folder: str | None) -> dict[str, str]:
    """The variables of the project that a folder belongs to; raises NotebookError."""
    project = variables.find_project(Path(folder), Path(os.environ["NOTEBOOK_DIR"])) if folder else None
    return variables.read(project) if project else {}
