"""Notebook files from lists of cells."""

import json
from typing import Any


def notebook(cells: list[str], kernelspec: str = "python3") -> dict[str, Any]:
    """A notebook of code cells, as Jupyter stores and sends one."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": kernelspec, "display_name": kernelspec, "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells, start=1)
        ],
    }


def notebook_text(cells: list[str], kernelspec: str = "python3") -> str:
    """The same as the text of a file."""
    return json.dumps(notebook(cells, kernelspec))
