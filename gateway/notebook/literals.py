"""Reads JSON literals from the source of a cell, without running it."""

import ast
import json
import warnings
from typing import Any


class NotALiteral(Exception):
    """The value is missing or computed."""


def read_assignment(source: str, name: str) -> Any:
    """The JSON value that a Python cell assigns last to `name`: `REQUEST = json.dumps({…})` or `REQUEST = '{…}'`.

    Raises NotALiteral if it is computed, LookupError if the cell does not assign it.
    """
    values = [
        statement.value
        for statement in _statements(source)
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
    ]
    if not values:
        raise LookupError(name)
    return _json(values[-1])


def read_info(source: str) -> Any:
    """The JSON value that a ResponseInfo cell prints or ends in, if the cell is nothing but that expression.

    `print(json.dumps({…}))`, `print('{…}')`, both without `print`, or `{…}`. Raises NotALiteral for any other cell.
    """
    match _statements(source):
        case [ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value], keywords=[]))]:
            return _json(value)
        case [ast.Expr(value=ast.Dict() as value)]:
            return _literal(value)
        case [ast.Expr(value=value)]:
            return _json(value)
    raise NotALiteral


def _statements(source: str) -> list[ast.stmt]:
    """The cell's statements; empty if it is not plain Python (magics, another language)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the author's code: they appear when the cell runs
            return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _json(value: ast.expr) -> Any:
    match value:
        case ast.Constant(value=str(text)):
            try:
                return json.loads(text, parse_constant=_reject)
            except (ValueError, RecursionError) as error:
                raise NotALiteral from error
        case ast.Call(func=ast.Attribute(value=ast.Name(id="json"), attr="dumps"), args=[argument]):
            return _literal(argument)
    raise NotALiteral


def _literal(value: ast.expr) -> Any:
    try:
        # Through JSON, so that tuples become lists and keys strings.
        return json.loads(json.dumps(ast.literal_eval(value), allow_nan=False))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise NotALiteral from error


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
