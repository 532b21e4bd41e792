"""Acting as another user of this system."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def ordinary_user() -> Iterator[int]:
    """This process as an ordinary user, whose number it yields: root may write everywhere."""
    own = os.geteuid()
    user = own or NOBODY
    os.seteuid(user)
    try:
        yield user
    finally:
        os.seteuid(own)
