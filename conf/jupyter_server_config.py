"""Jupyter behind nginx: on a socket that only this user can open, at /jupyter/, with nginx as its guard."""

import os
from pathlib import Path

from jupyter_server.auth.identity import PasswordIdentityProvider

from control.config.run_dir import RunDir
from control.config.settings import Settings
from gateway.notebook.kernel_specs import KernelSpecs


class GuardedByNginx(PasswordIdentityProvider):
    """nginx has asked for the password by then."""

    def validate_security(self, app: object, ssl_options: object = None) -> None:
        """Nothing to warn of at each start: nobody but this user, whom nginx runs as, can open the socket."""


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
c.ServerApp.identity_provider_class = GuardedByNginx
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.password_required = False
c.ServerApp.allow_remote_access = True
if settings.home_dir:
    # What is typed in a terminal runs as in a kernel (control/launch/kernel_env.py). Not a login shell: that
    # would read /etc/profile, which sets another PATH.
    packages = Path.home() / "packages" / "bin"
    shell = ["env", f"PATH={packages}:{os.environ['PATH']}", "bash"]
    c.ServerApp.terminado_settings = {"shell_command": shell}
# Kernels talk through sockets too: nginx is the only program that listens on TCP.
c.KernelManager.transport = "ipc"
c.ServerApp.kernel_spec_manager_class = KernelSpecs
