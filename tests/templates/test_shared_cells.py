"""What the shipped projects have in common is written alike, and they are shipped as their authors left them."""

import ast
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import graphql
import nbformat
import pytest

from tests.support.stack import OWNER, ROOT, Stack, as_json
from tests.support.templates import graphql_blocks, serving

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


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_an_actions_definition_and_its_types_can_be_pasted_into_hasuras_two_fields_for_them(project: Path) -> None:
    blocks = graphql_blocks(f"{project.name}/server.ipynb")

    names = [[part.name.value for part in graphql.parse(block).definitions] for block in blocks]  # type: ignore[union-attr]
    assert all(name == ["Query"] or "Query" not in name for name in names)


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


# What makes a connection, and the argument that limits how long an answer may take.
CLIENTS = {
    "ChatOpenAI": "timeout",
    "Client": "execute_timeout",
    "HTTPXAsyncTransport": "timeout",
    "OpenAIEmbeddings": "timeout",
}


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) in CLIENTS]


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def is_cached(function: ast.AST) -> bool:
    return isinstance(function, ast.FunctionDef) and [ast.unparse(d) for d in function.decorator_list] == [
        "functools.cache"
    ]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_clients_are_made_once_in_an_ordinary_cell_with_a_limit_for_an_answer(project: Path) -> None:
    for source in code(project / "server.ipynb"):
        tree = ast.parse(source)
        makers = [function for function in tree.body if is_cached(function)]
        client_calls = [call for function in makers for call in calls(function)]
        assert len(calls(tree)) == len(client_calls), f"a client that is made for each request:\n{source}"
        for call in client_calls:
            assert CLIENTS[name_of(call)] in [keyword.arg for keyword in call.keywords], ast.unparse(call)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_address_and_no_secret_is_written_into_a_cell(notebook: Path) -> None:
    texts = [
        node.value
        for source in code(notebook)
        for node in ast.walk(ast.parse(source, mode="exec"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert [text for text in texts if text.startswith(("http://", "https://", "sk-"))] == []


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_the_readme_names_each_setting_that_a_notebook_reads(project: Path) -> None:
    source = "\n".join(line for notebook in project.glob("*.ipynb") for line in code(notebook))
    read = set(re.findall(r'(?:environ\.get\(|environ\[|setting\()["\']([A-Z_]+)', source))

    readme = (project / "README.md").read_text()
    assert [name for name in sorted(read) if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_markdown_cell_says_what_to_paste_into_hasura_for_each_endpoint(project: Path) -> None:
    cells = nbformat.read(project / "server.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    endpoints = re.findall(r"^# (?:GET|POST) /(\S+)", "\n".join(code(project / "server.ipynb")), re.M)
    assert endpoints

    missing = [path for path in endpoints if f"`{{{{NOTEBOOK_API_URL}}}}/{path}`" not in text]

    assert missing == [] or project.name == "hello_world"


def commands(project: Path) -> str:
    """What the README gives to try: its indented lines from one that begins with curl up to a blank one."""
    return "\n".join(re.findall(r"^ {4,}curl .*(?:\n .+)*", (project / "README.md").read_text(), re.M))


OPTIONAL = ["GRAPHQL_TIMEOUT", "ANSWER_TIMEOUT", "OPENAI_TIMEOUT", "OPENAI_MODEL", "OPENAI_EMBEDDING_MODEL"]


@pytest.fixture(scope="module")
def without_settings() -> Iterator[Stack]:
    """A stack with all projects, as a newcomer has it who has left the settings blank."""
    with Stack(**dict.fromkeys([*OPTIONAL, "WEBHOOK_SECRET"], "")) as stack:
        for project in PROJECTS:
            shutil.copytree(project, stack.notebook_dir / project.name)
        yield stack.start()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_with_blank_settings_a_project_starts_and_its_readmes_commands_are_understood(
    without_settings: Stack, project: Path
) -> None:
    response = without_settings.restart_api(project.name)
    assert response.status_code == 200, response.text

    process = subprocess.run(
        ["bash", "-ec", commands(project).replace("http://localhost:8080", without_settings.url)],
        env={"PATH": os.environ["PATH"], "PASSWORD": OWNER[1]},
        capture_output=True,
        text=True,
    )

    assert process.returncode == 0, process.stderr
    if project.name == "hello_world":
        assert process.stdout == '{"hello": "world"}\nBonjour, Ada!\n{"sum":12,"count":3}'
    else:
        assert "is not set: give it to the stack" in process.stdout


def test_a_warning_fails_a_cell_of_a_project_that_is_served_here() -> None:
    with serving("hello_world") as stack:
        stack.serve("warns", ["import warnings", "# GET /x\nwarnings.warn('old', DeprecationWarning)\nprint()"])

        answer = stack.invoke("x")

        assert (answer.status_code, as_json(answer)["message"]) == (500, "DeprecationWarning: old")
