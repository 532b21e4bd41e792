"""Packages to install, so that no index is needed."""

import zipfile
from pathlib import Path


def make_wheel(
    folder: Path, name: str, code: str, version: str = "99.0", requires: str | None = None, script: str | None = None
) -> Path:
    """Write a wheel of one module with the code given, which anybody can read.

    `requires` is another package, `script` the function that a program with the package's name calls, `module:name`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {script}\n"
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    path.chmod(0o644)
    return path
