"""Run by path in a kernel's interpreter: load what a kernel needs, be told its command, become that kernel.

It takes the place of `ipykernel_launcher`; gateway/arbiter/prefork.py starts it.
"""

import sys

# Not this folder but the one two above, and only while we load: a notebook imports its own modules.
root = sys.path.pop(0).rsplit("/", 2)[0]
sys.path.insert(0, root)
# Nobody debugs a kernel that answers requests, and to load the debugger takes 0.2 s and 10 MB. A notebook may.
sys.modules["debugpy"] = None  # type: ignore[assignment]

import json  # noqa: E402
import os  # noqa: E402

import ipykernel.debugger  # noqa: E402, F401
from ipykernel import kernelapp  # noqa: E402

import gateway.worker.start  # noqa: E402, F401

del sys.modules["debugpy"]
sys.path.remove(root)

task = json.loads(sys.stdin.buffer.read() or "null")
if task:  # nothing: the gateway has ended, or has no use for this process
    os.environ.clear()
    os.environ.update(task["environ"])
    os.chdir(task["cwd"])
    sys.argv = task["argv"]
    kernelapp.launch_new_instance()
