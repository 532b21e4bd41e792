"""Which kernels there are, and how they are started: the same for the gateway and for Jupyter."""

from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_path

IPYKERNEL_CONFIG = Path(__file__).resolve().parents[2] / "conf" / "ipykernel_config.py"


class KernelSpecs(KernelSpecManager):  # type: ignore[misc]
    """Finds kernels in Jupyter's folders, and has each ipykernel read our configuration.

    Not in the specs themselves: a user adds kernels that run in environments of their own.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The spec of that name; raises NoSuchKernel."""
        spec = super().get_kernel_spec(kernel_name)
        if "ipykernel_launcher" in spec.argv:
            spec.argv.append(f"--config={IPYKERNEL_CONFIG}")
        return spec

    def _kernel_dirs_default(self) -> list[str]:
        # To look into IPython's of old times too takes an import of IPython, 0.1 s.
        return jupyter_path("kernels")
