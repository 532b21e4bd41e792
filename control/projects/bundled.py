"""The projects that ship with the product, copied once into the folder that people work in."""

import shutil
from contextlib import suppress
from pathlib import Path

# Beside the notebooks: the name of every project that was ever copied there, one a line.
EVER_SHIPPED = ".shipped"


def copy_new(shipped: Path, notebooks: Path) -> list[str]:
    """Copy each project of `shipped` that never was in `notebooks`; returns the names, sorted.

    What a user changed stays as it is, what a user deleted stays deleted, and a project of the user's own
    is left alone where it has a shipped one's name. Raises OSError where `notebooks` cannot be written to.
    """
    record = notebooks / EVER_SHIPPED
    known = record.read_text(encoding="utf-8").split("\n") if record.exists() else []
    names = sorted(folder.name for folder in shipped.iterdir() if folder.is_dir())
    new = [name for name in names if name not in known]
    copied = [name for name in new if _copy(shipped / name, notebooks)]
    if new:
        # Last, and in one step: a start that is interrupted before copies the rest the next time.
        partial = notebooks / f"{EVER_SHIPPED}.partial"
        partial.write_text("".join(f"{name}\n" for name in [*filter(None, known), *new]), encoding="utf-8")
        partial.replace(record)
    return copied


def _copy(project: Path, notebooks: Path) -> bool:
    """Copy one project, so that it is there as a whole or not at all; False where its name is taken."""
    target = notebooks / project.name
    if target.exists() or target.is_symlink():
        return False
    partial = notebooks / f".{project.name}.partial"
    with suppress(FileNotFoundError):
        shutil.rmtree(partial)
    copy_writable(project, partial)
    partial.rename(target)
    return True


def copy_writable(project: Path, target: Path) -> None:
    """Copy a project's folder. An image may be read-only; the copy is the user's. Raises OSError."""
    shutil.copytree(project, target, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
