"""Finds kernel specs, for the gateway and for Jupyter."""

from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
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
