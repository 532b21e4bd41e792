"""Notebook files from lists of cells."""

import json
from typing import Any

# A file that is JSON, and nested more deeply than any parser goes.
DEEP = 50_000 * "[" + 50_000 * "]"


class Markdown(str):
    """The text of a Markdown cell."""


def notebook(cells: list[str], kernelspec: str = "python3") -> dict[str, Any]:
    """A notebook of code cells, and of Markdown cells, as Jupyter stores and sends one."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": kernelspec, "display_name": kernelspec, "language": "python"}},
        "cells": [_cell(f"cell-{number}", source) for number, source in enumerate(cells, start=1)],
    }


def notebook_text(cells: list[str], kernelspec: str = "python3") -> str:
    """The same as the text of a file."""
    return json.dumps(notebook(cells, kernelspec))


def _cell(name: str, source: str) -> dict[str, Any]:
    cell = {"id": name, "metadata": {}, "source": str(source)}
    if isinstance(source, Markdown):
        return {"cell_type": "markdown", **cell}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **cell}
