"""Which cells of a Python notebook are endpoints: the annotation on a cell's first line, read with goodwill.

Stock notebook-http knows `# GET /path` and `# ResponseInfo GET /path` as the very first characters of a
cell. What is meant beyond doubt is taken here too; what only looks like an annotation is reported.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.protocol.messages import Cell, Endpoint

METHODS = "GET|PUT|POST|DELETE|PATCH"

# As stock has it, plus PATCH and an optional space; words after the path are a remark.
AS_STOCK = re.compile(rf"#+\s*(?P<info>ResponseInfo\s+)?(?P<method>{METHODS})\s+(?P<path>/\S*)")
# In other letters it counts when nothing else is on the line: "# delete /tmp/x first" is a remark.
BY_INTENTION = re.compile(AS_STOCK.pattern + r"\s*$", re.IGNORECASE)
# On the line below an annotation: "# timeout: 5".
LIMIT = re.compile(r"#+\s*timeout\s*[:=]?\s*(?P<seconds>\d+(\.\d+)?)\s*(s|sec|seconds)?\s*$", re.IGNORECASE)

# What somebody may have meant as an annotation.
MISPLACED = re.compile(rf"#+\s*(ResponseInfo\s+)?({METHODS})\s+/\S*\s*$")
MALFORMED = re.compile(rf"#+\s*(ResponseInfo\s+)?({METHODS}|HEAD|OPTIONS|FETCH)\b\s*:?\s*\S+\s*$")


@dataclass(frozen=True)
class Problem:
    """Something in a cell that looks like an annotation and is none. Cell and line count from 1."""

    cell: int
    line: int
    text: str
    message: str


@dataclass(frozen=True)
class Annotation:
    """What a cell's first line says."""

    method: str
    path: str
    is_response_info: bool
    limit_s: float | None


@dataclass
class Api:
    """What a notebook defines."""

    endpoints: list[Endpoint] = field(default_factory=list)
    ordinary: list[Cell] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(source: str) -> Annotation | None:
    """The annotation of a cell, if it has one."""
    lines = source.lstrip("\n\r\t \ufeff").splitlines()
    first = lines[0].rstrip() if lines else ""
    match = AS_STOCK.match(first) or BY_INTENTION.match(first)
    if not match:
        return None
    limit = LIMIT.match(lines[1].strip()) if len(lines) > 1 else None
    return Annotation(
        method=match["method"].upper(),
        path=match["path"],
        is_response_info=match["info"] is not None,
        limit_s=float(limit["seconds"]) if limit else None,
    )


def parse(sources: Iterable[str]) -> Api:
    """Sort a notebook's code cells into endpoints and ordinary cells.

    Cells of one method and path are one endpoint, in the order of the notebook.
    """
    api = Api()
    handlers: dict[tuple[str, str], list[Cell]] = {}
    infos: dict[tuple[str, str], list[Cell]] = {}
    limits: dict[tuple[str, str], float | None] = {}
    for number, source in enumerate(sources, start=1):
        annotation, cell = read(source), Cell(number, source)
        if annotation is None:
            api.ordinary.append(cell)
            api.problems += _suspicious(cell)
            continue
        key = annotation.method, annotation.path
        (infos if annotation.is_response_info else handlers).setdefault(key, []).append(cell)
        limits[key] = annotation.limit_s or limits.get(key)
    api.endpoints = [
        Endpoint(method, path, tuple(cells), tuple(infos.get((method, path), ())), limits[method, path])
        for (method, path), cells in handlers.items()
    ]
    api.problems += [_orphan(key, cells[0]) for key, cells in infos.items() if key not in handlers]
    return api


def normalized(sources: Sequence[str]) -> list[str]:
    """The endpoint cells as stock's parser reads them, for its swagger document."""
    found = [(read(source), source) for source in sources]
    return [
        f"# {'ResponseInfo ' if note.is_response_info else ''}{note.method} {note.path}\n{source}"
        for note, source in found
        if note
    ]


def _suspicious(cell: Cell) -> list[Problem]:
    problems = []
    for number, line in enumerate(cell.source.splitlines(), start=1):
        if MISPLACED.match(line):
            message = "an annotation must be the first line of its cell; this cell was run as an ordinary one"
            problems.append(Problem(cell.number, number, line, message))
        elif number == 1 and MALFORMED.match(line):
            message = f"write it as # GET /path, with one of {METHODS.replace('|', ', ')}"
            problems.append(Problem(cell.number, number, line, message))
    return problems


def _orphan(key: tuple[str, str], cell: Cell) -> Problem:
    method, path = key
    message = f"there is no endpoint {method} {path} that this ResponseInfo could belong to"
    return Problem(cell.number, 1, cell.source.strip().splitlines()[0], message)
