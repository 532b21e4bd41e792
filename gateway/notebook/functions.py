"""Recognizes a cell whose function is the endpoint: its last statement is a `def`, and nothing above it does anything.

Everything is read from the source. What the function's parameters are is known once the cell has run.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

REQUEST_NAMES = frozenset({"body", "headers", "request"})  # parameters that are the request itself

_MAGIC = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_TYPE_ALIAS: list[type[ast.AST]] = [getattr(ast, "TypeAlias")] if sys.version_info >= (3, 12) else []  # noqa: B009 - of 3.12
_HARMLESS = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, *_DEFINITION.__args__, *_TYPE_ALIAS)


@dataclass(frozen=True)
class Function:
    """The function that is a cell's endpoint, with the line of its `def`, and where it reads REQUEST, if it does."""

    name: str
    line: int
    request_line: int | None = None


@dataclass(frozen=True)
class NotAnEndpoint:
    """Why a cell that ends in a definition runs like other cells; `line` counts from 1."""

    line: int
    message: str


def read(source: str) -> Function | NotAnEndpoint | None:
    """The endpoint's function, or why the cell's last definition is none; None if it does not end in one."""
    statements = _parse(source)
    last = statements[-1] if statements else None
    if isinstance(last, ast.ClassDef):
        return _explain_class(last)
    if isinstance(last, ast.Assign) and isinstance(last.value, ast.Lambda):
        message = "a lambda is not an endpoint, as it has no annotations: write a def. The cell runs for each request"
        return NotAnEndpoint(last.lineno, message)
    if not isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    obstacle = _find_obstacle(source, statements[:-1], last)
    if obstacle is None:
        return Function(last.name, last.lineno, next((node.lineno for node in _reads_of_request(last)), None))
    line, reason = obstacle
    return NotAnEndpoint(line, f"{last.name} is not the endpoint: {reason}. The cell runs for each request")


def find_line(source: str, function: str, name: str | None) -> int:
    """The line of a parameter of the cell's last function, or of a name in its signature; else that of its `def`."""
    definition = next((node for node in reversed(_parse(source)) if getattr(node, "name", None) == function), None)
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        return 1
    for node in ast.walk(definition.args):
        if name and name in (getattr(node, "arg", None), getattr(node, "id", None), getattr(node, "value", None)):
            return int(getattr(node, "lineno", definition.lineno))
    return definition.lineno


def _parse(source: str) -> list[ast.stmt]:
    """The cell's statements; none if Python cannot read it. A magic is a statement that does something."""
    try:
        return ast.parse(_MAGIC.sub(lambda magic: "pass" if magic[0][:1] in "%!?" else magic[0], source)).body
    except (SyntaxError, ValueError, RecursionError):
        return []


def _explain_class(definition: ast.ClassDef) -> NotAnEndpoint | None:
    for member in definition.body:
        if getattr(member, "name", "") == "__call__":
            message = f"the class {definition.name} is not an endpoint: write a function that creates and calls it"
            return NotAnEndpoint(definition.lineno, message)
    return None


def _find_obstacle(
    source: str, above: list[ast.stmt], function: ast.FunctionDef | ast.AsyncFunctionDef
) -> tuple[int, str] | None:
    """The line, and why the function cannot be the endpoint."""
    for statement in above:
        if not _is_harmless(statement):
            line = source.splitlines()[statement.lineno - 1].strip()
            return statement.lineno, f"above it `{line[:60]}` does something; there may be imports and definitions only"
        if not isinstance(statement, _DEFINITION) and any(_reads_of_request(statement)):
            return statement.lineno, "REQUEST is read above it; take it as its parameter `request`"
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        if argument.annotation is None and argument.arg not in REQUEST_NAMES:
            example = f"write {argument.arg}: str, say"
            return argument.lineno, f"its parameter {argument.arg} has no annotation; {example}"
    return None


def _is_harmless(statement: ast.stmt) -> bool:
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, _HARMLESS)


def _reads_of_request(statement: ast.stmt) -> Iterator[ast.Name]:
    return (node for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id == "REQUEST")
