"""The passwords are nowhere where a notebook, a log reader or a neighbour's `ps` would find them."""

import base64
import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.jupyter import Jupyter
from tests.support.stack import API_USER, OWNER, Stack

TOKENS = [base64.b64encode(":".join(user).encode()).decode() for user in (OWNER, API_USER)]
SECRETS = [OWNER[1], API_USER[1], *TOKENS]
CELLS = [
    "import json, os, pathlib",
    "# GET /environ\nprint(json.dumps(dict(os.environ)))",
    "# GET /everything\nprint(REQUEST, pathlib.Path('/proc/self/environ').read_text())",
    "# GET /fail\nraise RuntimeError(REQUEST)",
]


def assert_no_secret(text: str, where: object) -> None:
    assert text
    for secret in SECRETS:
        assert secret not in text, f"a password is in {where}"


@pytest.fixture(scope="module")
def used_stack(shared_stack: Stack) -> Stack:
    """A stack that has seen both passwords, right and wrong, and a failing cell."""
    shared_stack.serve("secrets", CELLS)
    for auth in (OWNER, API_USER, (OWNER[0], API_USER[1])):
        shared_stack.invoke("environ", auth=auth)
        shared_stack.invoke("fail", auth=auth)
        shared_stack.invoke("nothing", auth=auth)
        shared_stack.get("/process/status", auth=auth)
        shared_stack.get("/jupyter/api/contents/nothing", auth=auth)
    return shared_stack


@pytest.mark.parametrize("auth", [OWNER, API_USER])
def test_a_request_and_its_cell_see_no_password(used_stack: Stack, auth: tuple[str, str]) -> None:
    for path in ("environ", "everything"):
        answer = used_stack.invoke(path, auth=auth)
        assert answer.status_code == 200
        assert_no_secret(answer.text, path)
        assert "Authorization" not in answer.text


def test_a_kernel_of_jupyter_sees_no_password(used_stack: Stack) -> None:
    with Jupyter(used_stack) as jupyter:
        kernel = jupyter.start_kernel()
        socket = jupyter.connect(kernel)
        try:
            output = jupyter.run(socket, "import os; print(dict(os.environ))")
        finally:
            socket.close()
            jupyter.end_kernel(kernel)
    assert "RUN_DIR" in output
    assert_no_secret(output, "a kernel's environment")


def test_no_process_was_started_with_a_password(used_stack: Stack) -> None:
    processes = used_stack.processes()
    assert len(processes) >= 6
    for process in processes:
        assert_no_secret(process.environ.decode(errors="replace") or "-", process.command)
        assert_no_secret(process.command, "a command line")


def test_no_log_has_a_password(used_stack: Stack) -> None:
    assert_no_secret(used_stack.log(), "the log")
    assert_no_secret(used_stack.api_log(), "the log of the API")


def test_no_file_of_the_run_directory_or_beside_the_notebooks_has_a_password(used_stack: Stack) -> None:
    files = used_stack.read_run_dir()
    assert any(name.endswith("htpasswd-api") for name in files)
    for name, text in files.items():
        assert_no_secret(text or "-", name)
    for path in used_stack.home.rglob("*"):
        if path.is_file():
            assert_no_secret(path.read_text(errors="replace") or "-", path)


def test_the_run_directory_is_closed_to_others(used_stack: Stack) -> None:
    assert used_stack.run_dir.stat().st_mode & 0o077 == 0


def test_only_nginx_listens_on_tcp(used_stack: Stack) -> None:
    with Jupyter(used_stack) as jupyter:
        kernel = jupyter.start_kernel()
        socket = jupyter.connect(kernel)
        jupyter.run(socket, "'it has all its sockets when it answers'")
        processes = used_stack.processes()
        listening = {process.command: result for process in processes if (result := process.tcp_addresses())}
        socket.close()
        jupyter.end_kernel(kernel)

    for program in ("-m notebook", "-m gunicorn", "-m gateway", "gateway/worker/ipykernel_main.py", kernel):
        assert any(program in process.command for process in processes), program
    assert listening
    for command, addresses in listening.items():
        assert command.startswith("nginx: ")
        assert addresses == [f"0100007F:{used_stack.port:04X}"]


def test_nginx_accepts_its_rendered_file_without_a_warning(used_stack: Stack) -> None:
    nginx = used_stack.process("nginx: master")
    program = Path(f"/proc/{nginx.pid}/exe").readlink()

    nginx_test = subprocess.run(
        [program, "-t", "-e", "stderr", "-c", used_stack.run_dir / "nginx.conf", "-p", used_stack.run_dir],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert nginx_test.returncode == 0, nginx_test.stderr
    assert "[warn]" not in nginx_test.stderr
    assert "test is successful" in nginx_test.stderr


def test_a_projects_variables_are_in_its_kernel_and_nowhere_else(stack: Stack) -> None:
    stack.write("keys", ["import os", "# GET /length\nprint(len(os.environ['KEY']))", "# GET /fail\nos.environ['NO']"])
    (stack.notebook_dir / "keys" / ".env").write_text("KEY=sk-of-this-project\nPASSWORD=<${NOTEBOOK_PASSWORD}>\n")
    assert stack.restart_api("keys").status_code == 200
    assert stack.invoke("length").text == "18\n"
    assert stack.invoke("fail").status_code == 500

    pages = ["/", "/process/status", "/process/requests", "/process/metrics", "/invoke/_api/spec/openapi.json"]
    texts = {page: stack.get(page).text for page in pages}
    texts |= {**stack.read_run_dir(), "log": stack.log(), "log of the API": stack.api_log()}
    texts |= {process.command: process.environ.decode(errors="replace") for process in stack.processes()}
    for where, text in texts.items():
        assert "sk-of-this-project" not in text, where
    download = zipfile.ZipFile(io.BytesIO(stack.get("/process/download?notebook=keys").content))
    assert download.namelist() == ["keys/server.ipynb"]

    # Nor has it what is the stack's, or do others have it.
    stack.serve("keyless", ["import os", "# GET /key\nprint(os.environ.get('KEY'))"])
    assert stack.invoke("key").text == "None\n"
    stack.write("keys", ["import os", "# GET /password\nprint(os.environ['PASSWORD'])"])
    assert stack.restart_api("keys").status_code == 200
    assert stack.invoke("password").text == "<>\n"


def test_a_bad_line_of_a_projects_variables_is_told_at_the_start(stack: Stack) -> None:
    stack.serve("served", ["# GET /x\nprint(1)"])
    stack.write("bad_keys", ["# GET /x\nprint(2)"])
    (stack.notebook_dir / "bad_keys" / ".env").write_text("A=1\nsk-secret of mine\n")

    answer = stack.restart_api("bad_keys")

    assert answer.status_code == 422
    assert "bad_keys does not run. InvalidVariables: .env: line 2: write NAME=value" in answer.json()["message"]
    assert stack.invoke("x").text == "1\n"
    for text in (answer.text, stack.get("/").text, stack.log()):
        assert "sk-secret" not in text
