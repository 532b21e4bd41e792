"""The shipped projects, served by a real stack or run in Jupyter's way."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import requests
from nbclient import NotebookClient
from traitlets.config import Config

from tests.support.hasura_caller import Call, act
from tests.support.slot import Slot
from tests.support.stack import API_USER, ROOT, Stack, as_json
from tests.support.waiting import eventually

PAYLOADS = ROOT / "tests" / "templates" / "payloads"
KERNEL_SECONDS = 60
NOT_JSON = [b"{", b"", b"\xff\xfe", b"null"]
AT_ONCE = 100  # events that Hasura delivers at once: HASURA_GRAPHQL_EVENTS_HTTP_POOL_SIZE
STARTUP = """\
import warnings

warnings.simplefilter("error")
"""


@contextmanager
def serving(project: str, **settings: str) -> Iterator[Stack]:
    """A stack of its own that serves a copy of notebook/`project`, with `settings` in its environment.

    Warnings are errors in its kernels.
    """
    with Stack(**settings) as stack:
        make_warnings_errors(stack.home)
        shutil.copytree(ROOT / "notebook" / project, stack.notebook_dir / project)
        stack.start()
        answer = stack.start_api(project)
        assert answer.status_code == 200, answer.text
        yield stack


class BareApi:
    """A project with nothing in front of it, for what its cells alone decide; called as a `Stack` is."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot

    def invoke(
        self,
        path: str,
        method: str = "GET",
        *,
        auth: object = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """`auth` is not looked at."""
        request = requests.Request(method, "http://localhost", headers, json=json, data=data).prepare()
        answer = self.slot.request(method, f"/{path}", request.body, dict(request.headers))
        response = requests.Response()
        response.status_code, response._content = answer.status, answer.body
        response.headers.update(answer.headers)
        return response

    def log(self) -> str:
        return self.slot.log()


@contextmanager
def serving_bare(project: str, **settings: str) -> Iterator[BareApi]:
    """The same without the stack around it, which takes three times as long to start."""
    with TemporaryDirectory(dir="/tmp", prefix="bare") as home:
        folder = shutil.copytree(ROOT / "notebook" / project, Path(home, project))
        slot = Slot(path=folder / "server.ipynb", **settings)
        make_warnings_errors(slot.home)
        with slot:
            yield BareApi(slot)


def make_warnings_errors(home: Path) -> None:
    """In the kernels alone: supervisord would not survive its own."""
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "warnings_are_errors.py").write_text(STARTUP)


def payload(name: str) -> dict[str, Any]:
    """A body as Hasura sends it."""
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return body


def deliver(stack: Stack | BareApi, path: str, body: Any, **headers: str) -> requests.Response:
    """Call an endpoint as Hasura does, with the API user's password."""
    return stack.invoke(path, "POST", auth=API_USER, json=body, headers=headers)


def deliver_bytes(stack: Stack | BareApi, path: str, body: bytes, **headers: str) -> requests.Response:
    """The same with a body that says it is JSON."""
    all_headers = {"Content-Type": "application/json", **headers}
    return stack.invoke(path, "POST", auth=API_USER, data=body, headers=all_headers)


def json_answer(answer: requests.Response) -> Any:
    """What an endpoint answered when it takes the matter for settled: one JSON document."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return as_json(answer)


def invalid_input(answer: requests.Response) -> str:
    """What the engine says of a body that does not fit the types of the endpoint, which Hasura passes on."""
    assert answer.status_code == 422, answer.text
    body = as_json(answer)
    assert body["extensions"]["code"] == "invalid-input"
    return str(body["message"])


def retry_reason(answer: requests.Response) -> str:
    """Why an event is to be delivered again, as Hasura shows it."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    body = as_json(answer)
    assert body["extensions"]["code"] == "service-unavailable"
    return str(body["message"])


def python_blocks(path: str) -> list[str]:
    """What a notebook's Markdown cells tell to run in a new cell; `path` below notebook/."""
    return _blocks(path, "python")


def graphql_blocks(path: str) -> list[str]:
    """What a notebook's Markdown cells, or a README, show as GraphQL; `path` below notebook/."""
    return _blocks(path, "graphql")


def _blocks(path: str, language: str) -> list[str]:
    file = ROOT / "notebook" / path
    cells = nbformat.read(file, as_version=4).cells if file.suffix == ".ipynb" else []
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown") or file.read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def ask_hasura(project: str, call: Call, more_types: str = "") -> Any:
    """What Hasura's client gets for the README's query, when the Action is made as server.ipynb says."""
    [query] = graphql_blocks(f"{project}/README.md")
    types = "\n".join([more_types, *graphql_blocks(f"{project}/server.ipynb")])
    result = act(types, query, call)
    assert "errors" not in result, result
    [answer] = result["data"].values()
    return answer


def wait_for_log(stack: Stack, text: str) -> None:
    """Until the text is in the API's log: it passes through supervisord, so it may come after the answer."""
    eventually(lambda: text in stack.api_log(), what=f"{text!r} in the log")


def run_in_jupyter(
    project: str, home: Path, notebook: str = "server.ipynb", more: str = "", **settings: str
) -> list[dict[str, Any]]:
    """The outputs of all cells and of the cell `more`, run from top to bottom in a new kernel.

    It runs in a copy of the project below `home`, which is made once; warnings are errors in it.
    CellExecutionError: one of the cells failed.
    """
    folder = Path(home, project)
    if not folder.exists():
        shutil.copytree(ROOT / "notebook" / project, folder)
    content = nbformat.read(folder / notebook, as_version=4)
    if more:
        content.cells.append(nbformat.v4.new_code_cell(more))
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONWARNINGS": "error", **settings}
    # Not on TCP: a port that was free a moment ago may have been taken by another test.
    with TemporaryDirectory(dir="/tmp", prefix="kernel") as sockets:
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
        client = NotebookClient(content, timeout=KERNEL_SECONDS, kernel_name="python3", config=config)
        client.execute(cwd=str(folder), env=environment)
    return [output for cell in content.cells for output in cell.get("outputs", [])]
