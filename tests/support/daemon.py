"""The real supervisord, alone: the stack's programs and the APIs' slots are shell scripts."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from control.config.run_dir import SLOTS, ApiDir, RunDir, write_json
from control.config.settings import ROOT, Settings
from control.launch.configuration import render_template
from control.supervision.client import Supervisor
from control.supervision.process_tree import descendants
from tests.support.waiting import eventually

IDLE = "exec sleep 600"
CONFIGURATION = """
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={run}/supervisord.pid

[unix_http_server]
file={run}/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[group:stack]
programs=nginx
priority=100

[program:nginx]
command=sleep 600
stdout_logfile=NONE

[fcgi-program:tools]
socket=unix://{run}/tools.sock
priority=150
command=sh -c "echo the tools have begun; exec sleep 600"
autostart=false
autorestart=false
startsecs=0
redirect_stderr=true
stdout_logfile=NONE
stdout_events_enabled=true

[include]
files={run}/slots/*/supervisord.conf
"""


class Daemon:
    """The daemon in a run directory of its own; ends with the block."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(dir="/tmp", prefix="daemon"))  # socket paths are short
        self.run = RunDir(self.home)
        self.run.slots.mkdir()
        self.run.supervisord_conf.write_text(CONFIGURATION.format(run=self.home))
        self.log_file = self.home / "log"

    def __enter__(self) -> "Daemon":
        environment = {"PATH": os.environ["PATH"], "RUN_DIR": str(self.home), "LANG": "C.UTF-8"}
        with self.log_file.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "control.supervision.daemon"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        eventually(lambda: "'nginx' with pid" in self.log(), what="the start of supervisord")
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()
        shutil.rmtree(self.home)

    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self) -> int:
        """Ask for the end and wait for it; returns the exit status."""
        self.popen.terminate()
        return self.popen.wait(30)

    def children(self) -> set[int]:
        """The processes of programs."""
        return set(descendants(self.popen.pid))

    def add_api(self, project: str, script: str = IDLE) -> Supervisor:
        """Add an API and start its slot blue."""
        api = write_api(self.run, project, script)
        supervisor = Supervisor(self.run.supervisor_socket, api.group)
        supervisor.add_group()
        supervisor.start("blue")
        return supervisor


def write_api(run: RunDir, project: str, script: str = IDLE) -> ApiDir:
    """The files of an API whose slots run `script`, which has the slot's name as its argument."""
    api = run.api(project)
    api.path.mkdir(exist_ok=True)
    write_json(api.project, {"name": project})
    (api.path / "script").write_text(script)
    variables = {"api": api, "run": run, "slots": SLOTS, "settings": Settings.from_env({}), "python": "python"}
    text = render_template("api.conf.j2", variables)
    for slot in SLOTS:
        api.slot(slot).mkdir(exist_ok=True)
        command = f"python -m gateway {api.slot(slot).relative_to(run.path)}"
        assert command in text
        text = text.replace(command, f"sh {api.path}/script {slot}")
    api.supervisord_conf.write_text(text)
    return api
