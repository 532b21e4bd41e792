"""What the log of a container may hold."""

import re

PROGRAMS = ("supervisord", "nginx", "control", "jupyter", "tools", "[^|]+/blue", "[^|]+/green")
SUSPICIOUS = re.compile(r"warn|error|crit|alert|emerg|traceback|exception|deprecat|denied|\[[WEC] ", re.I)
EXPECTED = (
    # Jupyter gives tornado milliseconds for seconds; nothing comes of it.
    "The websocket_ping_timeout (90000) cannot be longer than the websocket_ping_interval (30000).",
    # How an ordinary stop is told of.
    re.compile(r"jupyter \| .*received signal 15, stopping"),
    "received SIGTERM indicating exit request",
    re.compile(r"stopped: [^|]+ \((exit status 0|terminated by SIGTERM)\)"),
)


def find_unexpected_lines(log: str) -> list[str]:
    """The lines that look like trouble and are not known to be none."""
    return [line for line in log.splitlines() if SUSPICIOUS.search(line) and not is_expected(line)]


def is_expected(line: str) -> bool:
    return any(entry in line if isinstance(entry, str) else entry.search(line) for entry in EXPECTED)


def find_unlabelled_lines(log: str) -> list[str]:
    """The lines that no program's name stands before, the welcome and the last words aside."""
    label = re.compile(rf"({'|'.join(PROGRAMS)}) \| ")
    welcome = re.compile(r"=*|address   http.*|user      .*|password  .*|API user  .*")
    return [line for line in log.splitlines() if not label.match(line) and not welcome.fullmatch(line)]
