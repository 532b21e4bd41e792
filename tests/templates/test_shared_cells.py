"""What the shipped projects have in common is written alike, and they are shipped as their authors left them."""

import ast
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from tests.support.stack import ROOT

PROJECTS = sorted(path.parent for path in (ROOT / "notebook").glob("*/server.ipynb"))
NOTEBOOKS = sorted((ROOT / "notebook").glob("*/*.ipynb"))


def code(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", ["setting", "check_secret", "answer"])
def test_a_helper_that_several_projects_have_is_the_same_in_each(name: str) -> None:
    texts = defaultdict(list)
    for project in PROJECTS:
        for source in code(project / "server.ipynb"):
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    texts[ast.get_source_segment(source, node)].append(project.name)

    assert len(texts) == 1, texts


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_each_project_says_what_it_is(project: Path) -> None:
    assert (project / "README.md").read_text().startswith(f"# {project.name}\n")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_notebook_is_shipped_valid_and_without_outputs(notebook: Path) -> None:
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)

    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count] == []


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_an_endpoint_that_reads_its_request_can_be_run_in_jupyter_after_the_cell_before_it(project: Path) -> None:
    cells = code(project / "server.ipynb")
    for before, cell in pairwise(cells):
        if cell.startswith(("# GET", "# POST")) and "REQUEST" in cell:
            assert before.startswith("REQUEST = ")
