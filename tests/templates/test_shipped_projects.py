"""What holds for all shipped projects: what they have in common is the same, and nothing is left of a trial."""

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import graphql
import nbformat
import pytest

from control.traffic.manual_request import ManualRequest
from tests.support.stack import OWNER, ROOT, Stack, as_json
from tests.support.templates import graphql_blocks, serving

PROJECTS = sorted(path.parent for path in (ROOT / "notebook").glob("*/server.ipynb"))
NOTEBOOKS = sorted((ROOT / "notebook").glob("*/*.ipynb"))
FOR_HASURA = [project for project in PROJECTS if project.name != "hello_world"]
MOST_CELLS = 10


def code(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def all_code(project: Path) -> list[str]:
    return [source for notebook in sorted(project.glob("*.ipynb")) for source in code(notebook)]


def modules(project: Path) -> list[str]:
    return [path.read_text() for path in sorted(project.glob("*.py"))]


@pytest.mark.parametrize("name", ["hasura.py", "model.py"])
def test_a_module_that_several_projects_have_is_the_same_file_in_each(name: str) -> None:
    files = {path: path.read_bytes() for path in sorted((ROOT / "notebook").glob(f"*/{name}"))}

    assert len(files) > 1
    assert len(set(files.values())) == 1, list(files)


def test_each_project_for_hasura_and_no_other_has_its_module() -> None:
    assert [project for project in PROJECTS if (project / "hasura.py").exists()] == FOR_HASURA


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_notebook_is_short(project: Path) -> None:
    assert len(code(project / "server.ipynb")) <= MOST_CELLS


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
def test_clients_are_made_once_with_a_limit_for_an_answer(project: Path) -> None:
    for source in [*code(project / "server.ipynb"), *modules(project)]:
        tree = ast.parse(source)
        makers = [function for function in tree.body if is_cached(function)]
        client_calls = [call for function in makers for call in calls(function)]
        assert len(calls(tree)) == len(client_calls), f"a client that is made for each request:\n{source}"
        for call in client_calls:
            assert CLIENTS[name_of(call)] in [keyword.arg for keyword in call.keywords], ast.unparse(call)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_no_address_and_no_secret_is_written_into_the_code(project: Path) -> None:
    texts = [
        node.value
        for source in [*all_code(project), *modules(project)]
        for node in ast.walk(ast.parse(source, mode="exec"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert [text for text in texts if text.startswith(("http://", "https://", "sk-"))] == []


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_the_readme_names_each_setting_that_a_notebook_reads(project: Path) -> None:
    source = "\n".join([*all_code(project), *modules(project)])
    read = set(re.findall(r'(?:environ\.get\(|environ\[|setting\()["\']([A-Z_]+)', source))
    if "@hasura.action" not in source:
        read -= {"ANSWER_TIMEOUT"}

    readme = (project / "README.md").read_text()
    assert [name for name in sorted(read) if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("project", FOR_HASURA, ids=lambda path: path.name)
def test_a_markdown_cell_says_what_to_paste_into_hasura_for_each_endpoint(project: Path) -> None:
    cells = nbformat.read(project / "server.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    endpoints = re.findall(r"^# (?:GET|POST) /(\S+)", "\n".join(code(project / "server.ipynb")), re.M)
    assert endpoints

    assert [path for path in endpoints if f"`{{{{NOTEBOOK_API_URL}}}}/{path}`" not in text] == []


def commands(project: Path) -> str:
    """What the README gives to try: its indented lines from one that begins with curl up to a blank one."""
    return "\n".join(re.findall(r"^ {4,}curl .*(?:\n .+)*", (project / "README.md").read_text(), re.M))


def first_tries(stack: Stack) -> Iterator[int]:
    """The statuses of what Test API on the homepage sends before anybody changes it."""
    for endpoint in as_json(stack.get("/process/endpoints"))["endpoints"]:
        request = ManualRequest.of(endpoint)
        body = json.loads(request.body) if request.body else None
        yield stack.invoke(request.path[1:], request.method, json=body).status_code


OPTIONAL = ["GRAPHQL_TIMEOUT", "ANSWER_TIMEOUT", "OPENAI_TIMEOUT", "OPENAI_MODEL", "OPENAI_EMBEDDING_MODEL"]


@pytest.fixture(scope="module")
def without_settings() -> Iterator[Stack]:
    """A stack with all projects, as a newcomer has it who has left the settings blank."""
    with Stack(**dict.fromkeys([*OPTIONAL, "WEBHOOK_SECRET"], "")) as stack:
        for project in PROJECTS:
            shutil.copytree(project, stack.notebook_dir / project.name)
        yield stack.start()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_with_blank_settings_a_project_starts_and_its_examples_and_its_readmes_commands_are_understood(
    without_settings: Stack, project: Path
) -> None:
    response = without_settings.restart_api(project.name)
    assert response.status_code == 200, response.text
    assert set(first_tries(without_settings)) <= {200, 201, 424, 503}

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
