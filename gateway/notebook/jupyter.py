"""Gives what is opened in Jupyter from a project's folder, or below it, that project's packages and variables."""

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from jupyter_server_terminals.terminalmanager import TerminalManager

from gateway.notebook import variables
from gateway.notebook.failure import NotebookError


class ProjectProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels; each start and restart reads the variables anew."""

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables of a project's environment, whose installation may take minutes.

        conf/jupyter_server_config.py replaces it.
        """
        return {}

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Raises NotebookError, and what `environment` raises: Jupyter shows their text."""
        project = _find_project(kwargs.get("cwd"))
        environment = await asyncio.to_thread(self.environment, project) if project else {}
        environ = {**kwargs.pop("env", os.environ), **environment, **(variables.read(project) if project else {})}
        launch: dict[str, Any] = await super().pre_launch(env=environ, **kwargs)
        launch["cmd"][0] = _replace_environment(launch["cmd"][0], environment)
        return launch


class ProjectTerminals(TerminalManager):
    """Opens terminals; one says what is wrong with the project, as it is where that is mended."""

    def environment(self, folder: Path) -> dict[str, str]:
        """As that of ProjectProvisioner, but at once."""
        return {}

    def new_terminal(self, **kwargs: Any) -> Any:
        environ: dict[str, str] = {}
        problems = []
        if project := _find_project(kwargs.get("cwd")):
            for read in (self.environment, variables.read):
                try:
                    environ |= read(project)
                except NotebookError as error:
                    problems.append(error.failure.value)
                except Exception as error:  # the control app's, which is not imported here
                    problems.append(str(error))
        if problems:
            command = ["sh", "-c", 'echo "$0"; exec "$@"', "\n".join(problems), *self.shell_command]
            kwargs.setdefault("shell_command", command)
        return super().new_terminal(**{"extra_env": environ, **kwargs})


def _find_project(folder: str | None) -> Path | None:
    return variables.find_project(Path(folder), Path(os.environ["NOTEBOOK_DIR"])) if folder else None


def _replace_environment(program: str, environment: dict[str, str]) -> str:
    """A program of our own environment in this one; another one is a kernel that the user has added."""
    folder, path = os.environ.get("VIRTUAL_ENV"), Path(program)
    if not folder or not environment or not path.is_relative_to(folder):
        return program
    return str(environment["VIRTUAL_ENV"] / path.relative_to(folder))
