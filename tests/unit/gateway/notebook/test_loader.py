"""Files that are no notebooks, and say so."""

import os
from pathlib import Path

import pytest

from gateway.notebook.failure import NotebookError
from gateway.notebook.loader import load
from tests.support.notebooks import DEEP


def test_a_fifo_in_place_of_a_notebook_is_reported_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "server.ipynb")

    with pytest.raises(NotebookError, match="it is no regular file"):
        load(tmp_path / "server.ipynb")


@pytest.mark.parametrize("text", [DEEP, '{"nbformat": 4, "metadata": ' + DEEP + ', "cells": []}'])
def test_json_that_is_nested_too_deeply_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.ipynb").write_text(text)

    with pytest.raises(NotebookError, match="nested too deeply"):
        load(tmp_path / "server.ipynb")
