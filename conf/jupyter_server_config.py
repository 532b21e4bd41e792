"""Jupyter behind nginx, which asks for the password: at /jupyter/, on a socket that only this user can open."""

import os
from pathlib import Path

from jupyter_server.auth.identity import PasswordIdentityProvider

from control.config.run_dir import RunDir
from control.config.settings import ROOT, Settings
from control.environments.project_environments import ProjectEnvironments
from control.environments.shared import find_shared
from control.projects.catalog import NOTEBOOKS, Project
from gateway.notebook.jupyter import ProjectProvisioner, ProjectTerminals
from gateway.notebook.kernel_specs import KernelSpecs, use_provisioner
from gateway.notebook.text_contents import TextContentsManager


class NginxIdentityProvider(PasswordIdentityProvider):
    """Jupyter's provider without a password: nginx has checked it."""

    def validate_security(self, app: object, ssl_options: object = None) -> None:
        """No warning at each start: only this user, as which nginx runs too, can open the socket."""


def project_in(folder: Path) -> Project:
    """The project that a folder is."""
    return Project(str(folder.relative_to(settings.notebook_dir.resolve())), folder / NOTEBOOKS[0])


settings = Settings.from_env()
run = RunDir(settings.run_dir)

c = get_config()  # type: ignore[name-defined]  # noqa: F821 given by Jupyter
c.ServerApp.sock = str(run.jupyter_socket)
c.ServerApp.sock_mode = "0600"
c.ServerApp.base_url = "/jupyter/"
c.ServerApp.root_dir = str(settings.notebook_dir)
c.ServerApp.open_browser = False
c.ServerApp.allow_root = os.geteuid() == 0
c.ServerApp.log_level = "WARN"
# The check against cross-site requests stays on.
c.ServerApp.identity_provider_class = NginxIdentityProvider
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.password_required = False
c.ServerApp.allow_remote_access = True
# Kernels and terminals run in the kernels' environment. Not a login shell: /etc/profile sets another PATH.
inherited = dict(os.environ)
os.environ |= find_shared(settings).variables()
c.ServerApp.terminado_settings = {"shell_command": ["bash"]}
# Unix sockets for kernels too: nginx is the only program that listens on TCP.
c.KernelManager.transport = "ipc"
c.ServerApp.kernel_spec_manager_class = KernelSpecs
# What is opened from a project's folder has that project's packages, which the first kernel waits for, and variables.
environments = ProjectEnvironments(settings, print)
ProjectProvisioner.environment = lambda self, folder: environments.provide(project_in(folder)).variables(inherited)
ProjectTerminals.environment = lambda self, folder: environments.find_whole(project_in(folder)).variables(inherited)
use_provisioner(ProjectProvisioner)
c.TerminalsExtensionApp.terminal_manager_class = ProjectTerminals
# server.py is a notebook. Not by jupytext's own extension: it makes one of each file of 20 kinds, and writes the .ipynb
# that a text's header or a jupytext.toml pairs with it.
c.ServerApp.contents_manager_class = TextContentsManager
c.ServerApp.jpserver_extensions = {"jupyterlab_jupytext": False}
# A double click opens it as one; and jupytext's part of the page is left out.
c.LabServerApp.extra_labextensions_path = [str(ROOT / "conf" / "labextensions")]
# JupyterLab would install its extensions among the packages that the stack runs on. Its client for that takes 0.15 s.
c.LabApp.extension_manager = "readonly"
