"""Stock's own tests of notebook-http, fetched with the pinned version, run against a slot."""

import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# docs/engine.md lists each with its reason.
DIFFERENCES = ["test_generation_of_swagger_spec"]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of the version that we are locked to."""
    folder = tmp_path_factory.mktemp("kernel_gateway")
    requirement = f"jupyter_kernel_gateway=={version('jupyter_kernel_gateway')}"
    # For this package alone: with `:all:` pip builds what it needs to read its metadata from source too.
    only = "--no-binary=jupyter_kernel_gateway"
    command = ["download", "--quiet", "--no-deps", only, "--dest", str(folder), requirement]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True, timeout=300)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    # Their fixtures start stock; ours, in the plugin, start a slot.
    (source / "tests" / "conftest.py").unlink()
    # Their package of tests has our package's name.
    return (source / "tests").rename(source / "stock_tests").parent


def test_stock_s_own_tests_pass_against_a_slot(suite: Path) -> None:
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-rA", "--no-header", "-p", "no:cacheprovider"),
        *("-c", "/dev/null", "--rootdir", str(suite)),
        *("-p", "tests.engine.kernel_gateway_plugin"),
        *(f"--deselect=stock_tests/test_notebook_http.py::TestSwaggerSpec::{name}" for name in DIFFERENCES),
        "stock_tests/test_notebook_http.py",
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    process = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stdout[-20_000:] + process.stderr[-5_000:]
    summary = re.search(r"(\d+) passed", process.stdout)
    assert summary, process.stdout[-2_000:]
    assert int(summary[1]) >= 27
