"""Copies the projects that ship with the product, once, into the folder of notebooks."""

import shutil
from contextlib import suppress
from pathlib import Path

# In the folder of notebooks: the names of all projects that were ever copied there, one per line.
RECORD = ".shipped"


def copy_new(shipped: Path, notebooks: Path) -> list[str]:
    """Copy each project of `shipped` that was never copied to `notebooks`; returns the names, sorted.

    A project that the user has changed, deleted, or created under the same name is not touched. Raises OSError
    where `notebooks` cannot be written to.
    """
    record = notebooks / RECORD
    earlier = record.read_text(encoding="utf-8").split("\n") if record.exists() else []
    names = sorted(folder.name for folder in shipped.iterdir() if folder.is_dir())
    new = [name for name in names if name not in earlier]
    copies = [name for name in new if _copy(shipped / name, notebooks)]
    if new:
        # Last, and atomically: after an interruption the next start copies the rest.
        partial = notebooks / f"{RECORD}.partial"
        partial.write_text("".join(f"{name}\n" for name in [*filter(None, earlier), *new]), encoding="utf-8")
        partial.replace(record)
    return copies


def _copy(project: Path, notebooks: Path) -> bool:
    """Copy one project atomically; False where its name is taken."""
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
    """Copy a project's folder, without its variables, and make the copy writable, as an image may be read-only.

    Raises OSError.
    """
    shutil.copytree(project, target, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", ".env"))
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
