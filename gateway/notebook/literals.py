"""JSON values that are written out in a cell, read from its text: no cell is ever run for them."""

import ast
import json
import warnings
from typing import Any


class NotALiteral(Exception):
    """The value is not there, or is computed."""


def assigned(source: str, name: str) -> Any:
    """What a cell of Python assigns to `name` at last, as JSON: `REQUEST = json.dumps({…})` or `REQUEST = '{…}'`.

    Raises NotWrittenOut where that takes more than reading; LookupError where the cell does not assign it.
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


def printed(source: str) -> Any:
    """What a cell of Python prints, as JSON, where all it does is `print(json.dumps({…}))` or `print('{…}')`.

    Raises NotWrittenOut for any other cell.
    """
    match _statements(source):
        case [ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value], keywords=[]))]:
            return _json(value)
    raise NotALiteral


def _statements(source: str) -> list[ast.stmt]:
    """The cell's statements; none where it is not plain Python (magics, another language)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the author's code, who is told when the cell runs
            return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _json(value: ast.expr) -> Any:
    try:
        match value:
            case ast.Constant(value=str(text)):
                return json.loads(text, parse_constant=_refuse)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="json"), attr="dumps"), args=[argument]):
                # There and back, so that tuples and keys are what JSON makes of them.
                return json.loads(json.dumps(ast.literal_eval(argument), allow_nan=False))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise NotALiteral from error
    raise NotALiteral


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
