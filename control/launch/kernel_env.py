"""HOME for kernels and terminals, with the virtual environment into which their `pip install` goes.

The image is read-only for the user it runs as, and its Python environment is the one of the control app, Jupyter
and the gateway. So kernels get an environment of their own, on the volume, over the image's: they see all packages
of the image, theirs come first, and no other program sees those.
"""

import json
import sysconfig
from pathlib import Path
from venv import EnvBuilder

PIP = """#!{python}
import sys

from pip._internal.cli.main import main

sys.exit(main())
"""


def prepare(home: Path, run_dir: Path) -> dict[str, str]:
    """Create `home` and the kernels' environment in it; returns the environment variables for programs.

    Where `home` is not writable, one in the run directory takes its place while this stack runs, over the packages
    that were installed earlier.
    """
    image = Path(sysconfig.get_path("purelib"))
    try:
        create_environment(home / "packages", [image])
    except OSError:
        layers = [site_packages(home / "packages"), image]
        home = run_dir / "home"
        create_environment(home / "packages", layers)
    kernels = run_dir / "jupyter-data"
    write_kernel_spec(kernels / "kernels" / "python3", home / "packages")
    return {
        "HOME": str(home),
        # Ours first: an ipykernel that a user installs has a `python3` that the image's Python would run.
        "JUPYTER_PATH": f"{kernels}:{home / 'packages' / 'share' / 'jupyter'}",
    }


def site_packages(environment: Path) -> Path:
    """The packages of an environment, which differ by the version of Python."""
    return environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"


def create_environment(path: Path, layers: list[Path]) -> None:
    """Create or renew a virtual environment over the packages in `layers`; raises OSError.

    At every start, as the volume may come from an image with another Python. Without pip of its own, whose
    installation takes a second or two: the image's installs there as well.
    """
    for file in (path / "bin").glob("python*"):
        if file.is_symlink():  # venv would keep it, even if it leads to a Python that is gone
            file.unlink()
    EnvBuilder(symlinks=True).create(path)
    # site.py appends the lines of such a file to sys.path, after the folder that contains it.
    (site_packages(path) / "_image.pth").write_text("".join(f"{layer}\n" for layer in layers))
    for name in ("pip", "pip3"):
        (path / "bin" / name).write_text(PIP.format(python=path / "bin" / "python"))
        (path / "bin" / name).chmod(0o755)


def write_kernel_spec(folder: Path, environment: Path) -> None:
    """Write the kernel spec `python3` for the environment.

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
