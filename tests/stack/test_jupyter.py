"""Jupyter through nginx: the journey from a saved cell to a new answer, and a kernel over its WebSocket."""

import json
from collections.abc import Iterator

import pytest
import websocket

from tests.support.jupyter import Jupyter
from tests.support.notebooks import notebook
from tests.support.stack import API_USER, Stack, as_json
from tests.support.waiting import eventually


@pytest.fixture
def jupyter(stack: Stack) -> Iterator[Jupyter]:
    with Jupyter(stack) as session:
        yield session


@pytest.fixture
def kernel(jupyter: Jupyter) -> Iterator[str]:
    kernel_id = jupyter.start_kernel()
    yield kernel_id
    jupyter.end_kernel(kernel_id)


def test_what_is_saved_in_jupyter_answers_after_a_restart(stack: Stack, jupyter: Jupyter) -> None:
    stack.serve("journey", ["greeting = 'Hello'", "# GET /hello\nprint(greeting)"])
    assert stack.invoke("hello").text.strip() == "Hello"
    content = jupyter.read("journey/server.ipynb")

    content["cells"][0]["source"] = "greeting = 'Good evening'"
    jupyter.save("journey/server.ipynb", content)
    assert stack.invoke("hello").text.strip() == "Hello"
    assert stack.restart_api().status_code == 200

    assert stack.invoke("hello").text.strip() == "Good evening"


def test_a_project_made_in_jupyter_is_found_and_served(stack: Stack, jupyter: Jupyter) -> None:
    (stack.notebook_dir / "made").mkdir(exist_ok=True)
    jupyter.save("made/server.ipynb", notebook(["# GET /new\nprint('new')"]))

    assert "made" in as_json(stack.get("/process/notebooks"))["notebooks"]
    assert stack.restart_api("made").status_code == 200
    assert stack.invoke("new").text.strip() == "new"


def test_a_change_without_the_sites_cookie_is_refused(stack: Stack) -> None:
    answer = stack.request("PUT", "/jupyter/api/contents/x.ipynb", json={"type": "notebook"})

    assert answer.status_code == 403
    assert not (stack.notebook_dir / "x.ipynb").exists()


def test_a_large_notebook_can_be_saved(stack: Stack, jupyter: Jupyter) -> None:
    (stack.notebook_dir / "made").mkdir(exist_ok=True)

    jupyter.save("made/large.ipynb", notebook(["x" * 5_000_000]))

    assert (stack.notebook_dir / "made" / "large.ipynb").stat().st_size > 5_000_000


def test_a_cell_runs_over_the_websocket(jupyter: Jupyter, kernel: str) -> None:
    socket = jupyter.connect(kernel)
    try:
        assert jupyter.run(socket, "print(6 * 7)") == "42\n"
    finally:
        socket.close()


FORK = """
import os
child = os.fork()
if not child:
    {before}
    print('from', 'a fork', flush=True)
    os._exit(0)
os.waitpid(child, 0)"""
POOL = """
import multiprocessing
def work(): print('from', 'a fork')
worker = multiprocessing.get_context('fork').Process(target=work)
worker.start()
worker.join()"""
FORKS = {
    "a fork": FORK.format(before="pass"),
    "a large text": FORK.format(before="print('x' * 500_000)"),
    "a daemon": FORK.format(before="os.setsid(); os.closerange(3, 1000)"),
    "multiprocessing": POOL,
}


@pytest.mark.parametrize("code", FORKS.values(), ids=FORKS.keys())
def test_what_a_forked_process_prints_reaches_the_notebook(jupyter: Jupyter, kernel: str, code: str) -> None:
    socket = jupyter.connect(kernel)
    try:
        assert "from a fork\n" in jupyter.run(socket, code, until="from a fork\n")
    finally:
        socket.close()


def test_what_a_process_forked_by_an_ordinary_cell_prints_reaches_the_log(stack: Stack) -> None:
    stack.serve("forks", [FORK.format(before="pass"), f"# GET /fork\n{FORK.format(before='pass')}\nprint('parent')"])

    eventually(lambda: "from a fork\n" in stack.api_log(), what="the line in the log")
    # The copy of a request is nobody's.
    assert stack.invoke("fork").text == "parent\n"


def test_a_kernel_that_is_killed_leaves_nothing_behind(stack: Stack, jupyter: Jupyter) -> None:
    folder = stack.run_dir / "jupyter"
    before = set(folder.iterdir())
    kernel = jupyter.start_kernel()
    socket = jupyter.connect(kernel)
    jupyter.run(socket, "'it has all its sockets when it answers'")
    its_own = {path.name for path in set(folder.iterdir()) - before}

    stack.kill(stack.process(kernel))
    socket.close()
    jupyter.end_kernel(kernel)

    # No more than jupyter_client knows of, and removes.
    assert its_own == {f"kernel-{kernel}.json", *(f"kernel-{kernel}-ipc-{number}" for number in range(1, 6))}
    assert not set(folder.iterdir()) - before


@pytest.mark.parametrize("auth", [None, ("hasura", "wrong-password"), API_USER])
def test_the_websocket_asks_for_the_owner_too(jupyter: Jupyter, kernel: str, auth: tuple[str, str] | None) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        jupyter.connect(kernel, auth)
    assert refusal.value.status_code == 401


def test_the_address_without_its_slash_leads_there(stack: Stack) -> None:
    answer = stack.get("/jupyter")

    assert answer.status_code == 200
    assert answer.url.startswith(f"{stack.url}/jupyter/")


WHERE = """
import json, os, sys
names = sorted(name for name in os.environ if not name.startswith(("JPY_", "KERNEL_", "PYDEVD_")))
print(json.dumps({"path": sys.path, "python": sys.executable, "argument": sys.argv[1], "names": names}))"""


def test_a_cell_finds_in_the_api_what_it_finds_in_jupyter(stack: Stack, jupyter: Jupyter, kernel: str) -> None:
    stack.serve("where", [f"# GET /where\n{WHERE}"])

    api_values = stack.invoke("where").json()

    socket = jupyter.connect(kernel)
    kernel_values = json.loads(jupyter.run(socket, WHERE))
    socket.shutdown()
    for key in ("path", "python", "argument"):
        assert api_values[key] == kernel_values[key], key
    # Settings of the gateway's own are no secret; what Jupyter has besides is for its pages.
    assert set(kernel_values["names"]) - set(api_values["names"]) == set()


def test_a_cell_may_use_the_debugger_that_no_kernel_of_the_api_loads(stack: Stack) -> None:
    stack.serve("debugger", ["# GET /loaded\nimport sys\nprint('debugpy' in sys.modules)", "# GET /x\nimport debugpy"])

    assert stack.invoke("loaded").text.strip() == "False"
    assert stack.invoke("x").status_code == 200


SHOW_KEY = "import os; print(os.environ.get('KEY'))"


def test_a_notebooks_kernel_has_the_variables_of_the_project_it_is_opened_from(stack: Stack, jupyter: Jupyter) -> None:
    for project in ("keyed", "keyless"):
        stack.write(project, ["# GET /x\nprint(1)"])
    (stack.notebook_dir / "keyed" / "notes").mkdir(exist_ok=True)
    variables = stack.notebook_dir / "keyed" / ".env"
    variables.write_text("KEY=first\n")
    kernels = [
        jupyter.open_notebook(path).json()["kernel"]["id"] for path in ("keyed/notes/a.ipynb", "keyless/a.ipynb")
    ]
    sockets = [jupyter.connect(kernel) for kernel in kernels]

    assert [jupyter.run(socket, SHOW_KEY) for socket in sockets] == ["first\n", "None\n"]
    sockets[0].close()
    variables.write_text("KEY=second\n")
    assert jupyter.request("POST", f"kernels/{kernels[0]}/restart").status_code == 200
    sockets[0] = jupyter.connect(kernels[0])
    assert jupyter.run(sockets[0], SHOW_KEY) == "second\n"

    for socket, kernel in zip(sockets, kernels, strict=True):
        socket.close()
        jupyter.end_kernel(kernel)


def test_a_terminal_has_the_variables_of_the_project_it_is_opened_in(stack: Stack, jupyter: Jupyter) -> None:
    stack.write("keyed_shell", ["# GET /x\nprint(1)"])
    variables = stack.notebook_dir / "keyed_shell" / ".env"

    variables.write_text("KEY=of the shop\n")
    assert "<of the shop>" in jupyter.run_in_terminal("keyed_shell", 'echo "<$KEY>"', "<of the shop>")
    assert "<>" in jupyter.run_in_terminal("", 'echo "<$KEY>"', "<>")


def test_a_bad_line_of_the_variables_is_told_in_jupyter_and_the_terminal_to_mend_it_in_opens(
    stack: Stack, jupyter: Jupyter
) -> None:
    stack.write("bad_keys", ["# GET /x\nprint(1)"])
    (stack.notebook_dir / "bad_keys" / ".env").write_text("A=1\nsk-secret of mine\n")

    answer = jupyter.open_notebook("bad_keys/server.ipynb")

    assert answer.status_code == 500
    assert ".env: line 2: write NAME=value" in answer.json()["message"]
    shown = jupyter.run_in_terminal("bad_keys", "echo 'a''b'", "ab")
    assert ".env: line 2: write NAME=value" in shown
    assert "sk-secret" not in answer.text + shown + stack.log()
