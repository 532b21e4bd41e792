"""Programs that die: each comes back, or the stack ends and says which one did not."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.jupyter import Jupyter
from tests.support.processes import Process
from tests.support.stack import Stack, as_json
from tests.support.waiting import eventually

BACK = 15  # seconds


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    """A stack whose programs are killed; it serves one endpoint."""
    with Stack() as stack:
        stack.start()
        stack.serve("steady", ["# GET /x\nprint('x')"])
        yield stack


def answers(stack: Stack) -> bool:
    answer = stack.answer("/invoke/x")
    return answer is not None and (answer.status_code, answer.text.strip()) == (200, "x")


def kernels(stack: Stack) -> list[Process]:
    return [process for process in stack.processes() if "ipykernel" in process.command]


def test_a_killed_gateway_comes_back_and_leaves_no_kernel_behind(mortal: Stack) -> None:
    gateway, (kernel,) = mortal.gateway(), kernels(mortal)

    mortal.kill(gateway)

    eventually(lambda: answers(mortal), BACK, "the API")
    eventually(lambda: not kernel.is_running(), 5, "the end of the killed gateway's kernel")
    eventually(lambda: mortal.status()["state"] == "serving", 5)
    assert mortal.gateway().pid != gateway.pid
    assert len(kernels(mortal)) == 1


def test_while_the_gateway_is_away_callers_are_told_to_try_again(mortal: Stack) -> None:
    eventually(lambda: answers(mortal), BACK)
    supervisord = mortal.process("control.supervision.daemon")
    (kernel,) = kernels(mortal)

    os.kill(supervisord.pid, signal.SIGSTOP)  # so that no gateway comes back meanwhile
    try:
        mortal.kill(mortal.gateway())
        eventually(lambda: not kernel.is_running(), 5, "the end of its kernel, which might have taken a call")
        responses = [mortal.invoke("x", headers={"X-Request-Id": "while-away"})]
        assert (responses[0].status_code, as_json(responses[0])["extensions"]["code"]) == (503, "restarting")
        calls = eventually(lambda: [call for call in mortal.calls() if call["request_id"] == "while-away"])
        assert [(call["path"], call["status"], call["refused"]) for call in calls] == [("/invoke/x", 503, True)]
    finally:
        os.kill(supervisord.pid, signal.SIGCONT)

    eventually(lambda: responses.append(mortal.invoke("x")) or responses[-1].status_code == 200, BACK, "the API")
    for answer in responses[:-1]:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert as_json(answer)["message"]


def test_a_request_whose_gateway_is_killed_in_the_middle_of_it_is_not_called_safe_to_repeat(
    mortal: Stack, tmp_path: Path
) -> None:
    start_file = tmp_path / "begun"
    # It sleeps so that the gateway can be killed in the middle of it.
    cell = f"# POST /slow\nimport pathlib, time\npathlib.Path({str(start_file)!r}).touch()\ntime.sleep(30)"
    mortal.serve("slow", [cell])
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(mortal.invoke, "slow", "POST")
        eventually(start_file.exists, 10, "the cell")
        mortal.kill(mortal.gateway())
        assert (answer.result().status_code, as_json(answer.result())["extensions"]["code"]) == (502, "no-answer")
        assert "Retry-After" not in answer.result().headers
    calls = eventually(lambda: [call for call in mortal.calls() if call["path"] == "/invoke/slow" and call["refused"]])
    assert [(call["method"], call["status"]) for call in calls] == [("POST", 502)]
    mortal.serve("steady", ["# GET /x\nprint('x')"])


def test_a_killed_nginx_comes_back_without_losing_the_port_to_its_orphans(mortal: Stack) -> None:
    master, worker = mortal.process("nginx: master"), mortal.process("nginx: worker")

    mortal.kill(master)

    # An orphaned worker would go on answering for a while.
    def nginxes() -> list[Process]:
        return [process for process in mortal.processes() if process.command.startswith("nginx:")]

    eventually(lambda: not {master.pid, worker.pid} & {p.pid for p in nginxes()}, BACK, "the orphan's end")
    eventually(lambda: answers(mortal), BACK, "the API")
    new = mortal.process("nginx: master")
    assert {process.parent for process in nginxes() if process.pid != new.pid} == {new.pid}


def test_a_killed_control_app_comes_back_and_knows_what_is_served(mortal: Stack) -> None:
    before, gateway = mortal.status(), mortal.gateway()
    masters = [p for p in mortal.processes() if "gunicorn" in p.command]
    master = min(masters, key=lambda process: process.pid)

    mortal.kill(master)

    assert answers(mortal)  # callers need no control app
    eventually(lambda: mortal.is_healthy() and not any(p.is_running() for p in masters), BACK, "control")
    assert mortal.status() == before
    assert gateway.is_running()
    assert mortal.get("/").status_code == 200


def test_while_the_control_app_is_away_programs_are_told_so_as_json_and_people_by_a_page(mortal: Stack) -> None:
    mortal.kill(min((p for p in mortal.processes() if "gunicorn" in p.command), key=lambda process: process.pid))

    answers = []
    for path in ("/healthz", "/process/status", "/"):
        eventually(lambda path=path: answers.append(mortal.get(path)) or answers[-1].status_code == 503, BACK, path)
    eventually(mortal.is_healthy, BACK, "control")
    assert answers[-1].headers["Content-Type"].startswith("text/html")
    refusals = [answer for answer in answers if answer.status_code == 503][:2]
    assert [as_json(refusal)["extensions"]["code"] for refusal in refusals] == ["control-starting"] * 2
    assert [refusal.headers["Retry-After"] for refusal in refusals] == ["1", "1"]


def test_a_killed_jupyter_is_unhealthy_until_it_is_back_and_its_kernels_are_gone(mortal: Stack) -> None:
    with Jupyter(mortal) as jupyter:
        old_pids = {process.pid for process in kernels(mortal)}
        jupyter.start_kernel()
        (kernel,) = eventually(lambda: [p for p in kernels(mortal) if p.pid not in old_pids], 10, "its kernel")

    mortal.kill(mortal.process("-m notebook"))

    sick = mortal.get("/healthz")
    assert (sick.status_code, as_json(sick)["status"]) == (503, "starting")
    assert mortal.get("/jupyter/tree").status_code == 503
    eventually(mortal.is_healthy, BACK, "Jupyter")
    eventually(lambda: not kernel.is_running(), 5, "the end of the killed Jupyter's kernel")
    assert mortal.get("/jupyter/tree").status_code == 200
    assert answers(mortal)


def test_a_notebook_that_fails_again_and_again_never_ends_the_stack(mortal: Stack) -> None:
    # It ends within a second, which supervisord takes for a program that cannot be started.
    mortal.write_text("hopeless", "no notebook")

    for _ in range(8):
        assert mortal.restart_api("hopeless").status_code == 422

    assert mortal.is_healthy()
    assert answers(mortal)


def test_a_gateway_that_is_killed_until_it_stays_away_is_started_again(mortal: Stack) -> None:
    def kill_or_see_it_given_up() -> Any:
        for process in mortal.processes():
            if "-m gateway" in process.command:
                mortal.kill(process)
        status, full = mortal.status(), mortal.get("/healthz?full", auth=None)
        return (status["retry"], full) if status["state"] == "failed" and full.status_code == 503 else None

    retry, full = eventually(kill_or_see_it_given_up, 30, "a slot that is given up")

    assert (retry["notebook"], retry["next"][:2]) == ("steady", "20")
    assert as_json(full)["status"] == as_json(full)["api"] == "failed"
    assert "steady" not in full.text
    assert mortal.is_healthy()
    eventually(lambda: answers(mortal), BACK, "the API")
    status, full = mortal.status(), mortal.get("/healthz?full", auth=None)
    assert (status["state"], status["retry"], full.status_code) == ("serving", None, 200)
    assert as_json(full) == {"status": "ok", "api": "serving", "retry": None}


def test_a_crash_while_what_the_notebook_needs_is_away_is_healed_once_that_is_back(mortal: Stack) -> None:
    needed = mortal.home / "database"
    needed.touch()
    mortal.serve("needy", [f"open({str(needed)!r})", "# GET /x\nprint('x')"])
    needed.unlink()
    mortal.kill(mortal.gateway())
    eventually(lambda: (mortal.status()["retry"] or {}).get("attempts"), BACK, "an attempt without success")
    assert "FileNotFoundError" in mortal.status()["last_error"]["message"]
    assert "needy is started again at" in eventually(lambda: page_of_a_failure(mortal), 5, "the page between attempts")
    assert mortal.invoke("x").status_code == 503

    needed.touch()

    eventually(lambda: answers(mortal), BACK, "the API")
    metrics = mortal.get("/process/metrics").text
    retries = re.search(r'^notebook_api_retries_total\{project="needy"\} (\S+)', metrics, re.MULTILINE)
    assert retries
    assert float(retries[1]) >= 1


def page_of_a_failure(stack: Stack) -> str | None:
    page = stack.get("/").text
    return page if '<p class="state">Failed</p>' in page else None


# -- programs that cannot be kept up


def broken_nginx(stack: Stack) -> None:
    """Have nginx find nonsense in its file when it is started the next time."""
    (stack.run_dir / "nginx.conf").write_text("no_such_directive;\n", encoding="utf-8")
    stack.kill(stack.process("nginx: master"))


def broken_jupyter(stack: Stack) -> None:
    """Have Jupyter end while it reads its user's configuration."""
    folder = stack.home / ".jupyter"
    folder.mkdir(exist_ok=True)
    code = "import os\nprint('the configuration is broken', flush=True)\nos._exit(5)\n"
    for name in ("jupyter_config.py", "jupyter_server_config.py", "jupyter_notebook_config.py"):
        (folder / name).write_text(code, encoding="utf-8")
    stack.kill(stack.process("-m notebook"))


def ever_dying_control(stack: Stack) -> None:
    """Kill the control app each time that supervisord takes it for started."""
    kills = 0

    def kill_or_see_the_end() -> bool:
        nonlocal kills
        if stack.log().count("success: control entered RUNNING") > kills:
            kills += 1
            processes = [process for process in stack.processes() if "gunicorn" in process.command]
            if processes:
                stack.kill(min(processes, key=lambda process: process.pid))
        return stack.popen is not None and stack.popen.poll() is not None

    eventually(kill_or_see_the_end, 45, "the end of the stack")


@pytest.mark.parametrize(
    ("harm", "program", "why"),
    [
        (broken_nginx, "nginx", "no_such_directive"),
        (broken_jupyter, "jupyter", "the configuration is broken"),
        (ever_dying_control, "control", ""),
    ],
    ids=["nginx", "jupyter", "control"],
)
def test_a_program_that_cannot_be_kept_up_ends_the_stack_which_says_why(
    new_stack: Callable[..., Stack], harm: Callable[[Stack], None], program: str, why: str
) -> None:
    stack = new_stack().start()

    harm(stack)
    status = stack.wait(180)

    assert status != 0
    last = "\n".join(stack.log().splitlines()[-8:])
    assert f"error: {program} could not be kept up" in last
    assert why in last
    assert stack.processes() == []
