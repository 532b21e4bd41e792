"""Decides which endpoints of a notebook are functions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.notebook import functions
from gateway.notebook.functions import Function, NotAnEndpoint
from gateway.notebook.path_template import PathTemplate
from gateway.notebook.problem import Problem
from gateway.protocol.messages import Cell

Key = tuple[str, str]  # method and path, as annotated


@dataclass
class FunctionEndpoints:
    """`names` are the functions by endpoint; with `errors` the notebook cannot be served."""

    names: dict[Key, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)


def find(handlers: Mapping[Key, Sequence[Cell]]) -> FunctionEndpoints:
    """The endpoints, among those of `handlers`, whose one cell ends in a function that can be called."""
    found = FunctionEndpoints()
    cells = {cell.number: cell for group in handlers.values() for cell in group}
    definitions = {number: functions.read(cell.source) for number, cell in cells.items()}
    for number, definition in definitions.items():
        if isinstance(definition, NotAnEndpoint):
            found.problems.append(_problem(cells[number], definition, definition.message))
    owners: dict[Key, int] = {}
    for (method, path), group in handlers.items():
        own = [(cell, each) for cell in group if isinstance(each := definitions[cell.number], Function)]
        endpoint, is_function = f"{method} {path}", len(own) == len(group)
        shape = (method, PathTemplate.of(path).shape)
        for cell, function in own:
            if not is_function:
                message = f"{function.name} is not the endpoint: other cells have {endpoint} too"
                found.problems.append(_problem(cell, function, message))
            elif (owner := owners.setdefault(shape, cell.number)) != cell.number:
                message = f"the function in cell {owner} is the endpoint {endpoint} already: give each its own path"
                found.errors.append(_problem(cell, function, message))
            else:
                found.names[method, path] = function.name
    _report_names(found, handlers)
    _report_reads(found, handlers, definitions)
    return found


def _report_names(found: FunctionEndpoints, handlers: Mapping[Key, Sequence[Cell]]) -> None:
    """Two functions of one name are tools of different names."""
    cells = {handlers[key][0].number: (handlers[key][0], name) for key, name in found.names.items()}
    uses = Counter(name for _, name in cells.values())
    first: dict[str, int] = {}
    for number, (cell, name) in cells.items():
        if uses[name] > 1 and first.setdefault(name, number) != number:
            message = (
                f"cell {first[name]} has a function {name} too: rename one, so that both have clear names as tools"
            )
            definition = functions.read(cell.source)
            if isinstance(definition, Function):
                found.problems.append(_problem(cell, definition, message))


def _report_reads(
    found: FunctionEndpoints, handlers: Mapping[Key, Sequence[Cell]], definitions: Mapping[int, object]
) -> None:
    """REQUEST is that of cells: a function would raise NameError."""
    for number, cell in {handlers[key][0].number: handlers[key][0] for key in found.names}.items():
        definition = definitions[number]
        if isinstance(definition, Function) and definition.request_line:
            message = (
                f"REQUEST does not exist in a function: take the request as a parameter of {definition.name}, `request`"
            )
            found.problems.append(_problem(cell, NotAnEndpoint(definition.request_line, message), message))


def _problem(cell: Cell, definition: Function | NotAnEndpoint, message: str) -> Problem:
    text = " ".join(cell.source.splitlines()[definition.line - 1].split())
    return Problem(cell.number, definition.line, text, message)
