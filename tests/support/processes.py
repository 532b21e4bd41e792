"""What the kernel says of processes: which belong to a stack, their environment, where they listen."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TCP_LISTEN = "0A"  # the state column of /proc/net/tcp


@dataclass(frozen=True)
class Process:
    """A running process. `environ` is what it was started with."""

    pid: int
    parent: int
    session: int
    command: str
    environ: bytes

    def is_running(self) -> bool:
        """Whether it may still do anything: also while it ends, until its files and sockets are closed."""
        return not has_ended(self.pid)

    def memory(self) -> int:
        """Bytes that it holds, shared pages in proportion (PSS); 0 once it is gone."""
        with suppress(OSError):
            for line in (PROC / str(self.pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        return 0

    def children(self) -> list["Process"]:
        return [process for process in running() if process.parent == self.pid]

    def tcp_addresses(self) -> list[str]:
        """Where it listens, as /proc/net/tcp writes it: 0100007F:1F90 is 127.0.0.1:8080."""
        listening = {}
        for table in ("tcp", "tcp6"):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == TCP_LISTEN:
                    listening[f"socket:[{columns[9]}]"] = columns[1]
        result = set()
        with suppress(OSError):
            for descriptor in (PROC / str(self.pid) / "fd").iterdir():
                with suppress(OSError):
                    result.add(listening.get(str(descriptor.readlink())))
        return sorted(filter(None, result))


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie whose threads have all ended: its parent can know by then."""
    folder = PROC / str(pid)
    try:
        state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        return state in {"Z", "X"} and len(list((folder / "task").iterdir())) == 1
    except OSError:
        return True


def look_at(pid: int) -> Process | None:
    """The process, or None where it is gone, a zombie, or somebody else's."""
    folder = PROC / str(pid)
    with suppress(OSError):
        # The command in parentheses may hold blanks and parentheses itself.
        state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        if state not in {"Z", "X"}:
            return Process(pid, int(parent), int(session), command, (folder / "environ").read_bytes())
    return None


def running() -> list[Process]:
    """All processes that we may look at."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [process for pid in pids if (process := look_at(pid))]


def bytes_read() -> int:
    """How many bytes this process has read from files, from the page cache too."""
    return int((PROC / "self" / "io").read_text().split()[1])
