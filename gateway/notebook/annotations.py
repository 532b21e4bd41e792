"""Finds the endpoints of a Python notebook by the annotations on the first lines of its cells.

Stock notebook-http accepts `# GET /path` and `# ResponseInfo GET /path` as the very first characters of a cell. What
is meant beyond doubt is accepted here too; what only looks like an annotation is reported.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.protocol.messages import Cell, Endpoint

METHODS = "GET|PUT|POST|DELETE|PATCH"

# Cells are of any length. Two runs of the same characters in a row would be tried with all their lengths, so the first
# gives nothing back (`\s*+`).

# Stock's, plus PATCH and an optional space; words after the path are a remark.
STOCK_ANNOTATION = re.compile(rf"#+\s*(?P<info>ResponseInfo\s+)?(?P<method>{METHODS})\s+(?P<path>/\S*)")
# In lower case only with nothing else on the line: "# delete /tmp/x first" is a remark.
LENIENT_ANNOTATION = re.compile(STOCK_ANNOTATION.pattern + r"\s*$", re.IGNORECASE)
# On the line below an annotation: "# timeout: 5".
TIMEOUT_COMMENT = re.compile(
    r"#+\s*timeout\s*+([:=]\s*+)?(?P<seconds>\d+(\.\d+)?)\s*+((s|sec|seconds)\s*+)?$", re.IGNORECASE
)

# What may have been meant as an annotation.
MISPLACED = re.compile(rf"#+\s*(ResponseInfo\s+)?({METHODS})\s+/\S*\s*$")
MALFORMED = re.compile(rf"#+\s*(ResponseInfo\s+)?({METHODS}|HEAD|OPTIONS|FETCH)\b\s*+(:\s*+)?\S+\s*$")


@dataclass(frozen=True)
class Problem:
    """A line that looks like an annotation and is none. `cell` and `line` count from 1."""

    cell: int
    line: int
    text: str
    message: str


@dataclass(frozen=True)
class Annotation:
    """The annotation of a cell, with the time limit from the line below it."""

    method: str
    path: str
    is_response_info: bool
    limit_s: float | None


@dataclass
class ApiDefinition:
    """The endpoints of a notebook, and lines that look like annotations."""

    endpoints: list[Endpoint] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(source: str) -> Annotation | None:
    """The annotation of a cell; None for an ordinary cell."""
    lines = source.lstrip("\n\r\t \ufeff").splitlines()
    first = lines[0].rstrip() if lines else ""
    match = STOCK_ANNOTATION.match(first) or LENIENT_ANNOTATION.match(first)
    if not match:
        return None
    limit = TIMEOUT_COMMENT.match(lines[1].strip()) if len(lines) > 1 else None
    limit_s = float(limit["seconds"]) if limit else None
    return Annotation(match["method"].upper(), match["path"], match["info"] is not None, limit_s)


def parse(sources: Iterable[str]) -> ApiDefinition:
    """The endpoints among a notebook's code cells; cells of one method and path are one, in their order."""
    api = ApiDefinition()
    handlers: dict[tuple[str, str], list[Cell]] = {}
    infos: dict[tuple[str, str], list[Cell]] = {}
    limits: dict[tuple[str, str], float | None] = {}
    for number, source in enumerate(sources, start=1):
        annotation, cell = read(source), Cell(number, source)
        if annotation is None:
            api.problems += _find_problems(cell)
            continue
        key = annotation.method, annotation.path
        (infos if annotation.is_response_info else handlers).setdefault(key, []).append(cell)
        limits[key] = annotation.limit_s or limits.get(key)
    api.endpoints = [
        Endpoint(method, path, tuple(cells), tuple(infos.get((method, path), ())), limits[method, path])
        for (method, path), cells in handlers.items()
    ]
    api.problems += [_orphan_problem(key, cells[0]) for key, cells in infos.items() if key not in handlers]
    return api


def normalize(sources: Sequence[str]) -> list[str]:
    """The cells with annotations, as stock's parser accepts them, for its swagger document."""
    return [
        f"# {'ResponseInfo ' if annotation.is_response_info else ''}{annotation.method} {annotation.path}\n{source}"
        for source in sources
        if (annotation := read(source))
    ]


def _find_problems(cell: Cell) -> list[Problem]:
    problems = []
    for number, line in enumerate(cell.source.splitlines(), start=1):
        if MISPLACED.match(line):
            message = "an annotation must be the first line of its cell; this cell was run as an ordinary one"
        elif number == 1 and MALFORMED.match(line):
            message = f"write it as # GET /path, with one of {METHODS.replace('|', ', ')}"
        else:
            continue
        problems.append(Problem(cell.number, number, line, message))
    return problems


def _orphan_problem(key: tuple[str, str], cell: Cell) -> Problem:
    method, path = key
    message = f"there is no endpoint {method} {path} that this ResponseInfo could belong to"
    return Problem(cell.number, 1, cell.source.strip().splitlines()[0], message)
