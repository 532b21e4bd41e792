"""A virtual environment of kernels over the product's: they see all packages of both, and theirs come first.

The product's is the one of the control app, Jupyter and the gateway, none of which sees what a kernel installs.
"""

import json
import os
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from venv import EnvBuilder

PRODUCT = Path(sysconfig.get_path("purelib"))
PIP = """#!{python}
import sys

from pip._internal.cli.main import main

sys.exit(main())
"""


class Environment:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / "bin"
        self.python = self.bin / "python"
        # They differ by the version of Python.
        self.site_packages = path / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        self.kernels = path / "jupyter"  # not share/jupyter, where an ipykernel that a user installs has its own

    def create(self, layers: Sequence[Path] = (PRODUCT,)) -> None:
        """Create or renew it over the packages in `layers`; raises OSError.

        Without pip of its own, whose installation takes a second or two: the product's installs there as well.
        """
        for file in self.bin.glob("python*"):
            if file.is_symlink():  # venv would keep it, even if it leads to a Python that is gone
                file.unlink()
        EnvBuilder(symlinks=True).create(self.path)
        # site.py appends the lines of such a file to sys.path, after the folder that contains it.
        (self.site_packages / "_image.pth").write_text("".join(f"{layer}\n" for layer in layers))
        for name in ("pip", "pip3"):
            (self.bin / name).write_text(PIP.format(python=self.python))
            (self.bin / name).chmod(0o755)
        self._write_kernel_spec()

    def _write_kernel_spec(self) -> None:
        """Write the kernel spec `python3`.

        https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs
        """
        spec = {
            "argv": [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "metadata": {"debugger": True},
        }
        folder = self.kernels / "kernels" / "python3"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernel.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")

    def variables(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The variables for kernels of any language, for terminals, and for who starts them."""
        jupyter = [self.kernels, self.path / "share" / "jupyter", environ.get("JUPYTER_PATH")]
        return {
            "PATH": f"{self.bin}:{environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(self.path),
            "JUPYTER_PATH": ":".join(str(folder) for folder in jupyter if folder),
        }
