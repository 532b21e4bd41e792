"""What is done to the stack meanwhile. Each campaign does its harm for a time, and returns how often it did.

They sleep for random times because that is the harm: how long something is away, and how soon the next follows. What
comes of it is polled, in `recover`.
"""

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from tests.chaos.load import NumberLoad
from tests.support.half_sent import basic
from tests.support.notebooks import notebook_text
from tests.support.processes import Process
from tests.support.stack import API_USER, Stack
from tests.support.waiting import eventually

PROJECT = "echo"
RECOVERY = 30  # seconds until everything is as it was
SLOW_CONNECTIONS = 200
DISK = "4m"
# supervisord is the stack: its end is the end of all.
OWN_PROGRAMS = ["nginx: master", "gunicorn", "-m notebook"]
SPARED = 8  # seconds: the stack ends, as it should, when one of its own programs dies five times in 30 s
PROGRAMS = [*OWN_PROGRAMS, "nginx: worker", "-m gateway", "ipykernel_main"]


def kill(stack: Stack, load: NumberLoad, seconds: float) -> Counter[str]:
    """kill -9 of one program after another, chosen at random."""
    harm: Counter[str] = Counter()
    last: dict[str, float] = {}
    for program, process in _victims(stack, seconds):
        if program in OWN_PROGRAMS and time.monotonic() - last.get(program, 0) < SPARED:
            continue
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
            last[program] = time.monotonic()
            harm[program] += 1
        time.sleep(random.uniform(0.2, 1.5))
    return harm


def pause(stack: Stack, load: NumberLoad, seconds: float) -> Counter[str]:
    """SIGSTOP of one program after another for up to 4 s, then SIGCONT."""
    harm: Counter[str] = Counter()
    for program, process in _victims(stack, seconds):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
            harm[program] += 1
            time.sleep(random.uniform(0.5, 4))
            os.kill(process.pid, signal.SIGCONT)
    return harm


def change(stack: Stack, load: NumberLoad, seconds: float) -> Counter[str]:
    """Restarts, saves that restart, and races of start, stop and restart."""
    harm: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    stack.process_call("reload?on=1")

    def call(action: str) -> None:
        arguments = () if action == "stop" else (PROJECT,)
        status = stack.process_call(action, *arguments).status_code
        harm[f"{action} {status}"] += 1

    while time.monotonic() < deadline:
        match random.choice(["restart", "restart", "save", "race"]):
            case "restart":
                call("restart")
            case "save":
                path = stack.notebook_dir / PROJECT / "server.ipynb"
                text = notebook_text([*load.cells(), f"version = {time.monotonic()}"])
                for part in (text[: random.randrange(len(text))], text):  # a save is seen half written
                    path.write_text(part)
                harm["save"] += 1
                time.sleep(random.uniform(0, 2))
            case "race":
                actions = random.choices(["start", "stop", "restart"], k=4)
                threads = [threading.Thread(target=call, args=(action,)) for action in actions]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                call("start")
    stack.write(PROJECT, load.cells())
    stack.process_call("reload?on=0")
    return harm


def slow(stack: Stack, load: NumberLoad, seconds: float) -> Counter[str]:
    """Connections that send a byte a second, stop within the head or the body, or read nothing."""
    harm: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    head = "".join(f"{name}: {value}\r\n" for name, value in basic(API_USER).items())
    request = f"POST /invoke/echo HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 14\r\n\r\n".encode() + b'{"number": -1}'
    connections: list[tuple[socket.socket, bytes]] = []
    while time.monotonic() < deadline:
        while len(connections) < SLOW_CONNECTIONS:
            kind, rest = random.choice([("no head", b""), ("half a head", request[:60]), ("slow", request)])
            with suppress(OSError):
                connections.append((socket.create_connection(("127.0.0.1", stack.port), 5), rest))
                harm[kind] += 1
        still_open = []
        for connection, rest in connections:
            try:
                connection.send(rest[:1])
            except OSError:
                connection.close()
                continue
            if rest or random.random() > 0.05:
                still_open.append((connection, rest[1:]))
            else:
                connection.close()
        connections = still_open
        time.sleep(0.2)
    for connection, _ in connections:
        connection.close()
    return harm


def starve(stack: Stack, load: NumberLoad, seconds: float) -> Counter[str]:
    """A full disk below the run directory, and a folder of notebooks that is read-only for a while.

    Both are file systems of their own (`mount_small_disks`).
    """
    harm: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    ballast = stack.run_dir / "ballast"
    while time.monotonic() < deadline:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        harm["full"] += 1
        harm[f"restart {stack.process_call('restart', PROJECT).status_code}"] += 1
        time.sleep(random.uniform(0.5, 2))
        ballast.unlink()
        mount("-o", "remount,ro", str(stack.notebook_dir))
        harm["read-only"] += 1
        harm[f"restart {stack.process_call('restart', PROJECT).status_code}"] += 1
        time.sleep(random.uniform(0.5, 2))
        mount("-o", "remount,rw", str(stack.notebook_dir))
    return harm


def mount_small_disks(stack: Stack) -> None:
    """Below the run directory and the notebooks of a stack that is not started yet; needs root."""
    for folder in (stack.run_dir, stack.notebook_dir):
        folder.mkdir(exist_ok=True, mode=0o700)
        mount("-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder))


def unmount_small_disks(stack: Stack) -> None:
    for folder in (stack.run_dir, stack.notebook_dir):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


CAMPAIGNS = {"kill": kill, "pause": pause, "change": change, "slow": slow, "starve": starve}


def recover(stack: Stack) -> float:
    """Seconds until the API answers again and the stack is healthy; AssertionError if it does not."""
    began = time.monotonic()

    def is_back() -> bool:
        response = stack.answer("/invoke/echo")  # a 405 of the kernel
        return stack.is_healthy() and response is not None and response.status_code == 405

    eventually(is_back, RECOVERY, "a healthy stack that answers")
    return time.monotonic() - began


def _victims(stack: Stack, seconds: float) -> Iterator[tuple[str, Process]]:
    """Processes at random, until the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        program = random.choice(PROGRAMS)
        if processes := [process for process in stack.processes() if program in process.command]:
            yield program, random.choice(processes)
