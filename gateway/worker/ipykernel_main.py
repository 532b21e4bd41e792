"""Entry point of a preforked kernel: imports what a kernel needs, waits for its command, becomes that kernel.

It is run by path in the kernel's interpreter, in place of `ipykernel_launcher`; gateway/arbiter/prefork.py starts it.
"""

import gc
import sys

gc.disable()  # what imports make stays: looking for garbage in it takes a tenth of their time
# Only while we import: a notebook imports its own modules. Not this folder but the one two above.
root = sys.path.pop(0).rsplit("/", 2)[0]
sys.path.insert(0, root)
# The debugger takes 0.2 s and 10 MB to load, and a kernel that handles requests does not need it. A notebook may.
sys.modules["debugpy"] = None  # type: ignore[assignment]

import json  # noqa: E402
import os  # noqa: E402

import ipykernel.debugger  # noqa: E402, F401
from ipykernel import kernelapp  # noqa: E402

import gateway.worker.start  # noqa: E402, F401

del sys.modules["debugpy"]
sys.path.remove(root)
gc.freeze()
gc.enable()

task = json.loads(sys.stdin.buffer.read() or "null")
if task:  # without one the gateway has ended, or does not need this process
    os.environ.clear()
    os.environ.update(task["environ"])
    os.chdir(task["cwd"])
    sys.argv = task["argv"]
    kernelapp.launch_new_instance()
