"""Finds kernel specs, and what starts their processes, for the gateway and for Jupyter."""

from importlib.metadata import EntryPoint
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from jupyter_core.paths import jupyter_path

IPYKERNEL_CONFIG = Path(__file__).resolve().parents[2] / "conf" / "ipykernel_config.py"


class KernelSpecs(KernelSpecManager):  # type: ignore[misc]
    """Finds kernel specs in Jupyter's folders, and adds our configuration to the command of each ipykernel.

    The specs themselves are left alone, as users add kernels of their own.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """As KernelSpecManager's; raises NoSuchKernel."""
        spec = super().get_kernel_spec(kernel_name)
        if "ipykernel_launcher" in spec.argv:
            spec.argv.append(f"--config={IPYKERNEL_CONFIG}")
        return spec

    def _kernel_dirs_default(self) -> list[str]:
        # Without IPython's legacy folder, which takes an import of IPython, 0.1 s.
        return jupyter_path("kernels")


def use_provisioner(provisioner: type[LocalProvisioner]) -> None:
    """Use it for all kernels whose spec names no provisioner."""
    factory, name = KernelProvisionerFactory.instance(), provisioner.__name__
    # In place of an entry point of a package.
    factory.provisioners[name] = EntryPoint(name, f"{provisioner.__module__}:{name}", factory.GROUP_NAME)
    # Not by traitlets' configuration: the factory exists since the kernel spec was read.
    factory.default_provisioner_name = name
