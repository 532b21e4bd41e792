"""The end of process trees."""

import subprocess
import sys

SPAWNER = "import subprocess\nwhile True:\n    subprocess.Popen(['sleep', '60'])\n"
# In a process of its own, whose children the orphans become, as supervisord's.
SUPERVISOR = """
import ctypes, subprocess, sys
from pathlib import Path
from control.supervision import daemon, process_tree
ctypes.CDLL(None).prctl(daemon.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
spawner = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
from tests.support.waiting import eventually
eventually(lambda: len(list(process_tree.descendants(spawner.pid))) >= 10, 10, "processes to kill")
process_tree.kill_descendants()

def states():
    return [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            for pid in process_tree.descendants(process_tree.os.getpid())]

eventually(lambda: set(states()) == {"Z"}, 2, "the end of all")
print(len(states()))
"""


def test_processes_that_are_started_during_the_kill_are_killed_too() -> None:
    for _ in range(3):
        process = subprocess.run([sys.executable, "-c", SUPERVISOR, SPAWNER], capture_output=True, text=True)

        assert process.stderr == ""
        assert int(process.stdout) >= 10
