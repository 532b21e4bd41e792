"""Finds the endpoints of a Python notebook by the annotations on the first lines of its cells.

Stock notebook-http accepts `# GET /path` and `# ResponseInfo GET /path` as the very first characters of a cell. What
is meant beyond doubt is accepted here too; what only looks like an annotation, or may be meant otherwise, is reported.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.notebook import function_endpoints
from gateway.notebook.problem import Problem
from gateway.protocol.messages import Cell, Endpoint

METHODS = "GET|PUT|POST|DELETE|PATCH"
LONGEST_LINE = 1000  # characters; a longer one was not meant as an annotation

# All of these match a line whose white space is single spaces, so that no line takes long.

# Stock's, plus PATCH, an optional space, and several methods; words after the path are a remark.
STOCK_ANNOTATION = re.compile(
    rf"#+ ?(?P<info>ResponseInfo )?(?P<methods>(?:{METHODS})(?: ?[,|] ?(?:{METHODS}))*) (?P<path>/\S*)"
)
# In lower case only with nothing else on the line: "# delete /tmp/x first" is a remark.
LENIENT_ANNOTATION = re.compile(STOCK_ANNOTATION.pattern + "$", re.IGNORECASE)
# On the line below an annotation: "# timeout: 5", "# timeout: 2 min".
TIMEOUT = re.compile(r"#+ ?timeout ?[:=]? ?(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[a-z]*)$", re.IGNORECASE)
# Not "m", which may be milliseconds or minutes.
UNITS = {"ms": 0.001, "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}

# Parameters as Flask, FastAPI and OpenAPI write them.
FOREIGN_PARAMETER = re.compile(r"(?<=/)(?:\{(\w+)\}|<(\w+)>)(?=/|$)")
QUERY = re.compile(r"\?\w.*")

# What may have been meant as an annotation, or otherwise.
MISPLACED = re.compile(rf"#+ ?(ResponseInfo )?({METHODS}) /\S*$")
MALFORMED = re.compile(
    rf"#+ ?(ResponseInfo )?({METHODS}|HEAD|OPTIONS|FETCH)\b( ?:? ?\S+$|\W.*({METHODS}|HEAD|OPTIONS) /\S*$)"
)
DOUBTFUL_PATH = re.compile(r"[{}<>?#*]|/:([^/]*[^\w./-]|/|$)")
LIKE_TIMEOUT = re.compile(r"#+ ?timeout ?([:=]|\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Annotation:
    """The annotation on a cell's line number `line`, with the time limit (seconds) from the line below it.

    `path` is without the query that is `written` in the notebook, and has its parameters as `:name`.
    """

    line: int
    methods: tuple[str, ...]
    path: str
    written: str
    is_response_info: bool
    limit_s: float | None

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Each method with the path."""
        return tuple((method, self.path) for method in self.methods)


@dataclass
class ApiDefinition:
    """The endpoints of a notebook, and what is to be reported of its annotations; with `errors` it cannot be served."""

    endpoints: list[Endpoint] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)

    @property
    def functions(self) -> dict[int, str]:
        """The functions that are endpoints, by the numbers of their cells."""
        return {endpoint.cells[0].number: endpoint.function for endpoint in self.endpoints if endpoint.function}


def read(source: str) -> Annotation | None:
    """The annotation of a cell; None for an ordinary cell."""
    text = source.lstrip("\n\r\t \ufeff")
    first, _, rest = text.partition("\n")
    first = _normalize_space(first)
    match = STOCK_ANNOTATION.match(first) or LENIENT_ANNOTATION.match(first)
    if not match:
        return None
    methods = tuple(dict.fromkeys(re.findall(r"\w+", match["methods"].upper())))
    path = FOREIGN_PARAMETER.sub(lambda found: f":{found[1] or found[2]}", QUERY.sub("", match["path"]))
    line = len(source[: len(source) - len(text)].splitlines()) + 1
    limit_s = _read_timeout(rest.partition("\n")[0])
    return Annotation(line, methods, path, match["path"], match["info"] is not None, limit_s)


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
        api.problems += _find_doubts(cell, annotation)
        for key in annotation.keys:
            (infos if annotation.is_response_info else handlers).setdefault(key, []).append(cell)
            limits[key] = annotation.limit_s or limits.get(key)
    found = function_endpoints.find(handlers)
    api.problems += found.problems
    api.errors += found.errors
    for key, cells in handlers.items():
        function = found.names.get(key)
        response_cells = () if function else tuple(infos.get(key, ()))
        api.endpoints.append(Endpoint(*key, tuple(cells), response_cells, limits[key], function))
    for key, cells in infos.items():
        if key not in handlers:
            api.problems.append(
                _info_problem(cells[0], f"there is no endpoint {' '.join(key)} that it could belong to")
            )
        elif key in found.names:
            api.problems.append(_info_problem(cells[0], "it does not run: what the function returns is the response"))
    return api


def normalize(sources: Sequence[str]) -> list[str]:
    """The cells with annotations, as stock's parser accepts them, for its swagger document."""
    return [
        f"# {'ResponseInfo ' if annotation.is_response_info else ''}{method} {path}\n{source}"
        for source in sources
        if (annotation := read(source))
        for method, path in annotation.keys
    ]


def _normalize_space(line: str) -> str:
    return " ".join(line.split())


def _read_timeout(line: str) -> float | None:
    """Seconds; None if the line sets no limit."""
    match = TIMEOUT.match(_normalize_space(line))
    if not match:
        return None
    unit = match["unit"].lower()
    factor = UNITS.get(unit) or UNITS.get(unit.removesuffix("s")) if unit else 1
    return float(match["number"]) * factor or None if factor else None


def _lines(source: str) -> Iterator[tuple[int, str]]:
    """The comments that begin a line, with the lines' numbers."""
    for number, line in enumerate(source.splitlines(), start=1):
        if line.startswith("#") and len(text := _normalize_space(line)) <= LONGEST_LINE:
            yield number, text


def _find_problems(cell: Cell) -> Iterator[Problem]:
    """Those of an ordinary cell."""
    for number, line in _lines(cell.source):
        if MISPLACED.match(line):
            message = "an annotation must be the first line of its cell; this cell was run as an ordinary one"
        elif number == 1 and MALFORMED.match(line):
            message = (
                f"write it as # GET /path, with one of {METHODS.replace('|', ', ')}, or several: # GET, POST /path"
            )
        else:
            continue
        yield Problem(cell.number, number, line, message)


def _find_doubts(cell: Cell, annotation: Annotation) -> Iterator[Problem]:
    """Those of a cell with an annotation, which is served nevertheless."""
    text = _normalize_space(cell.source.splitlines()[annotation.line - 1])
    if DOUBTFUL_PATH.search(annotation.path):
        message = "this path is taken as it stands; a parameter is a whole segment with a plain name, such as /:id"
        yield Problem(cell.number, annotation.line, text, message)
    elif "?" in annotation.written:
        message = f"the query is no part of a path: the cell answers {annotation.path} with any query, or none"
        yield Problem(cell.number, annotation.line, text, message)
    for number, line in _lines(cell.source):
        if number == annotation.line + 1:
            is_ignored = LIKE_TIMEOUT.match(line) and _read_timeout(line) is None
        else:
            is_ignored = _read_timeout(line) is not None
        if is_ignored:
            message = "this sets no limit: write # timeout: 5, 500 ms or 2 min on the line below the annotation"
            yield Problem(cell.number, number, line, message)


def _info_problem(cell: Cell, reason: str) -> Problem:
    annotation = read(cell.source)
    line = annotation.line if annotation else 1
    text = _normalize_space(cell.source.splitlines()[line - 1])
    return Problem(cell.number, line, text, f"this ResponseInfo has no effect: {reason}")
