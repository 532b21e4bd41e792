"""The end of process trees."""

import subprocess
import sys

SPAWNER = "import subprocess, time\nwhile True:\n    subprocess.Popen(['sleep', '60'])\n    time.sleep(0.005)\n"
# In a process of its own, whose children the orphans become, as supervisord's.
SUPERVISOR = """
import ctypes, subprocess, sys, time
from pathlib import Path
from control.supervision import daemon, process_tree
ctypes.CDLL(None).prctl(daemon.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
spawner = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
while len(list(process_tree.descendants(spawner.pid))) < 10:
    time.sleep(0.01)
process_tree.kill_descendants()
time.sleep(0.1)
states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
          for pid in process_tree.descendants(process_tree.os.getpid())]
print(len(states), set(states))
"""


def test_processes_that_are_started_during_the_kill_are_killed_too() -> None:
    for _ in range(3):
        process = subprocess.run([sys.executable, "-c", SUPERVISOR, SPAWNER], capture_output=True, text=True)

        assert process.stderr == ""
        count, states = process.stdout.split(maxsplit=1)
        assert int(count) > 10
        assert states.strip() == "{'Z'}"
