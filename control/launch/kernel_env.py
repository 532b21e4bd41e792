"""HOME for kernels and terminals, and below it the environment into which their `pip install` goes.

The image is read-only to the user it runs as, and its Python environment is the one that the control app,
Jupyter and the gateway run from. So kernels get a virtual environment of their own, on the volume, laid
over the image's: they see everything in the image, what a user installs comes first for kernels, and never
reaches another program.
"""

import json
import sys
import sysconfig
from pathlib import Path

PIP = """#!{python}
import sys

from pip._internal.cli.main import main

sys.exit(main())
"""


def prepare(home: Path, run_dir: Path) -> dict[str, str]:
    """Make `home` and the kernels' environment in it; returns the variables that programs need for them.

    Where `home` cannot be written to, one in the run directory takes its place for as long as this stack
    runs, over the packages that were installed earlier.
    """
    image = Path(sysconfig.get_path("purelib"))
    try:
        make_environment(home / "packages", [image])
    except OSError:
        layers = [site_packages(home / "packages"), image]
        home = run_dir / "home"
        make_environment(home / "packages", layers)
    kernels = run_dir / "jupyter-data"
    write_kernel_spec(kernels / "kernels" / "python3", home / "packages")
    return {
        "HOME": str(home),
        # Ours first: an ipykernel that a user installs brings a `python3` that the image's Python would run.
        "JUPYTER_PATH": f"{kernels}:{home / 'packages' / 'share' / 'jupyter'}",
    }


def site_packages(environment: Path) -> Path:
    """Where an environment keeps its packages, each version of Python its own."""
    return environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"


def make_environment(path: Path, layers: list[Path]) -> None:
    """Make or renew a virtual environment over the packages in `layers`; raises OSError.

    What `python -m venv` would do in a second or two, in a millisecond: this runs at every start, because
    the volume may come from an image with another Python.
    """
    python = Path(sys._base_executable)  # type: ignore[attr-defined]
    site_packages(path).mkdir(parents=True, exist_ok=True)
    # site.py puts the lines of such a file behind the folder that holds it.
    (site_packages(path) / "_image.pth").write_text("".join(f"{layer}\n" for layer in layers))
    (path / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    (path / "bin").mkdir(exist_ok=True)
    for name in ("python", "python3"):
        (path / "bin" / name).unlink(missing_ok=True)
        (path / "bin" / name).symlink_to(python)
    for name in ("pip", "pip3"):
        (path / "bin" / name).write_text(PIP.format(python=path / "bin" / "python"))
        (path / "bin" / name).chmod(0o755)


def write_kernel_spec(folder: Path, environment: Path) -> None:
    """Describe the kernel `python3` that runs in the environment.

    https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs
    """
    python = environment / "bin" / "python"
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
        # For `!pip install` in a cell, and for tools that look for an environment.
        "env": {"PATH": f"{environment / 'bin'}:${{PATH}}", "VIRTUAL_ENV": str(environment)},
    }
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
