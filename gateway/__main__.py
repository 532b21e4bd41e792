"""`python -m gateway <slot's folder below RUN_DIR>`: serve what the file in it names."""

import gc
import os
import sys

from gateway.arbiter import prefork
from gateway.arbiter.settings import read_slot_file

os.environ |= read_slot_file(sys.argv[1]).get("variables", {})
prefork.prepare()

gc.disable()  # what imports make stays: looking for garbage in it takes a sixth of their time
from gateway.arbiter.app import main  # noqa: E402  (takes half a second, in which the kernel's process loads too)

gc.freeze()
gc.enable()
main()
