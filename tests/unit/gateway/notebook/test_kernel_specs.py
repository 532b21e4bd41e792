"""How kernels are started: each ipykernel reads our configuration, and no kernel of another language does."""

import json
from pathlib import Path

import pytest

from gateway.notebook.kernel_specs import IPYKERNEL_CONFIG, KernelSpecs


def spec(folder: Path, *argv: str) -> list[str]:
    """The command of a kernel whose spec has this one."""
    (folder / "mine").mkdir()
    text = json.dumps({"argv": argv, "display_name": "mine", "language": "any"})
    (folder / "mine" / "kernel.json").write_text(text)
    command: list[str] = KernelSpecs(kernel_dirs=[str(folder)]).get_kernel_spec("mine").argv
    return command


def test_an_ipykernel_of_any_environment_reads_our_configuration(tmp_path: Path) -> None:
    argv = ["/home/me/env/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    assert spec(tmp_path, *argv) == [*argv, f"--config={IPYKERNEL_CONFIG}"]
    assert IPYKERNEL_CONFIG.exists()


def test_the_kernel_that_comes_with_jupyter_does(tmp_path: Path) -> None:
    native = KernelSpecs(kernel_dirs=[str(tmp_path)]).get_kernel_spec("python3")

    assert native.argv[-1] == f"--config={IPYKERNEL_CONFIG}"
    assert native.display_name == "Python 3 (ipykernel)"


@pytest.mark.parametrize("argv", [("python", "-m", "bash_kernel", "-f", "{connection_file}"), ("ir",)])
def test_a_kernel_of_another_language_is_started_as_its_spec_says(tmp_path: Path, argv: tuple[str, ...]) -> None:
    assert spec(tmp_path, *argv) == [*argv]
