"""Compiles cells once, with IPython's transformations and Python's compiler.

Each cell is compiled under the name that IPython would give it, with its number, so that a traceback says
`Cell In[7], line 2` and shows the line.
"""

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from IPython.core.displayhook import DisplayHook

from gateway.protocol.messages import Cell


@dataclass(frozen=True, slots=True)
class CellError:
    """Why a cell cannot be compiled; `line` counts from 1 within the cell."""

    cell: int
    line: int
    message: str


class CompileError(Exception):
    """At least one cell cannot be compiled."""

    def __init__(self, errors: list[CellError]) -> None:
        super().__init__("; ".join(f"cell {e.cell}, line {e.line}: {e.message}" for e in errors))
        self.errors = errors


class CompiledCells:
    """Cells that run one after the other in one namespace. `files` are the file names of their code."""

    def __init__(self, shell: Any, cells: tuple[Cell, ...]) -> None:
        """CompileError: its `errors` are of all cells that do not compile."""
        self._codes = _compile_all(shell, cells)
        self.cells = cells
        self.files = frozenset(code.co_filename for code in self._codes)
        self.is_async = any(_is_async(code) for code in self._codes)

    def run(self, namespace: dict[str, Any]) -> Any:
        """The value of the last expression, None without one. Raises what the cells raise; none may be async."""
        value = None
        for code in self._codes:
            value = eval(code, namespace)  # noqa: S307 - running the author's cells is what this is for
        return value

    async def run_async(self, namespace: dict[str, Any]) -> Any:
        """The same for cells of which some await."""
        value = None
        for code in self._codes:
            value = eval(code, namespace)  # noqa: S307
            if _is_async(code):
                value = await value
        return value


def _is_async(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _compile_all(shell: Any, cells: Iterable[Cell]) -> list[CodeType]:
    codes: list[CodeType] = []
    errors: list[CellError] = []
    for cell in cells:
        try:
            codes += _compile(shell, cell)
        except SyntaxError as error:
            errors.append(CellError(cell.number, error.lineno or 1, f"{type(error).__name__}: {error.msg}"))
        except ValueError as error:  # a null character, for one
            errors.append(CellError(cell.number, 1, f"{type(error).__name__}: {error}"))
    if errors:
        raise CompileError(errors)
    return codes


def _compile(shell: Any, cell: Cell) -> list[CodeType]:
    """The code of the statements, and that of the last expression unless a `;` suppresses its value."""
    source = shell.transform_cell(_from_cell_magic(cell.source))
    name = shell.compile.cache(source, cell.number, raw_code=cell.source)
    tree = shell.transform_ast(shell.compile.ast_parse(source, name))
    parts: list[tuple[ast.AST, str]] = [(tree, "exec")]
    is_expression = tree.body and isinstance(tree.body[-1], ast.Expr)
    if is_expression and not DisplayHook.semicolon_at_end_of_expression(source):  # type: ignore[no-untyped-call]
        parts.append((ast.Expression(tree.body.pop().value), "eval"))
    # The compiler also carries the `from __future__` imports of earlier cells.
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        return [shell.compile(part, name, mode) for part, mode in parts]


def _from_cell_magic(source: str) -> str:
    """The cell from its `%%magic` on, above which IPython accepts no comment, such as an annotation; else all of it."""
    lines = source.splitlines(keepends=True)
    for number, line in enumerate(lines):
        text = line.strip()
        if text.startswith("%%"):
            return "".join(lines[number:])
        if text and not text.startswith("#"):
            break
    return source
