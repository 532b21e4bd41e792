"""The environment of all projects that have none of their own. A `pip install` in their notebooks goes there."""

from pathlib import Path

from control.config.settings import Settings
from control.environments.environment import PRODUCT, Environment

SHARED = "shared"  # its name beside the projects' environments


def find_shared(settings: Settings) -> Environment:
    """The one that this start of the stack has created."""
    substitute = _substitute(settings)
    return substitute if substitute.path.exists() else _lasting(settings)


def create_shared(settings: Settings) -> bool:
    """Create or renew it; returns whether it lasts.

    Where its place is not writable, one in the run directory takes its place while this stack runs, over the packages
    that were installed earlier. At every start, as a volume may come from an image with another Python.
    """
    lasting = _lasting(settings)
    try:
        lasting.create()
    except OSError:
        _substitute(settings).create([lasting.site_packages, PRODUCT])
        return False
    return True


def _lasting(settings: Settings) -> Environment:
    home = settings.home_dir
    return Environment(home / "packages" if home else settings.notebook_dir / ".envs" / SHARED)


def _substitute(settings: Settings) -> Environment:
    return Environment(Path(settings.run_dir, "home", "packages"))
