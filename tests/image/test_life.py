"""A container from its start to its end."""

import signal
import threading
from collections.abc import Callable

import pytest
import requests

from tests.image.container import START_SECONDS, Container
from tests.image.logs import find_unexpected_lines, find_unlabelled_lines
from tests.support.waiting import eventually

Make = Callable[..., Container]
QUICK_HEALTH = [
    "--health-interval=1s",
    "--health-timeout=5s",
    "--health-retries=2",
    "--health-start-period=0s",
]
SLOW = "# GET /slow\nimport pathlib, time\npathlib.Path('/tmp/begun').touch()\ntime.sleep(3)\nprint('finished')"


def health(container: Container) -> str:
    return container.inspect("{{.State.Health.Status}}")


def test_process_1_is_tini_above_the_supervisor(shared_container: Container) -> None:
    first, second = shared_container.processes()[:2]

    assert first["command"].startswith("/usr/bin/tini -- ")
    assert (second["parent"], second["command"].split(" -m ")[1]) == (1, "control.supervision.daemon")


def test_nothing_runs_as_another_user_than_1000_with_group_0(shared_container: Container) -> None:
    ids = shared_container.sh("cat /proc/[0-9]*/status | grep -E '^(Uid|Gid)' | sort -u | tr '\\t' ' '")

    assert ids.split("\n")[:2] == ["Gid: 0 0 0 0", "Uid: 1000 1000 1000 1000"]
    assert shared_container.sh("whoami") == "notebook\n"


def test_the_healthcheck_finds_the_port_that_a_cloud_asks_for_and_leaves_nothing_in_the_log(
    new_container: Make,
) -> None:
    container = new_container("--health-start-interval=100ms", port=9099, PORT="9099").start()

    eventually(lambda: health(container) == "healthy", START_SECONDS, "a healthcheck that finds the port")

    assert "/healthz" not in container.log()


def test_a_stop_answers_what_is_in_flight_within_ten_seconds(new_container: Make) -> None:
    container = new_container().start()
    container.write("slow", [SLOW])
    container.serve("slow")
    answers: list[requests.Response] = []
    caller = threading.Thread(target=lambda: answers.append(container.get("/invoke/slow")))
    caller.start()
    eventually(lambda: container.sh("ls /tmp/begun || true"), 30, "a request in flight")

    status = container.stop()
    caller.join(START_SECONDS)

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "finished\n")]
    assert status == 0, "after ten seconds it would have been killed"


def test_a_container_that_was_restarted_or_killed_serves_the_same_notebook_again(new_container: Make) -> None:
    container = new_container().start()
    container.write("mine", ["# GET /mine\nprint('mine')"])
    container.serve("mine")

    container.restart().wait_until_serving()
    assert container.get("/invoke/mine").text == "mine\n"

    container.sh("kill -9 1 || true")
    container.kill("control.supervision.daemon", signal.SIGKILL)
    container.wait_until_ended()
    container.restart().wait_until_serving()
    assert container.get("/invoke/mine").text == "mine\n"


def test_the_healthcheck_turns_unhealthy_when_a_program_hangs_and_healthy_when_it_goes_on(new_container: Make) -> None:
    container = new_container(*QUICK_HEALTH).start()
    eventually(lambda: health(container) == "healthy", START_SECONDS)

    for program in ("nginx:", "-m notebook"):
        container.kill(program, signal.SIGSTOP)
        eventually(lambda: health(container) == "unhealthy", 30, f"unhealthy without {program}")

        container.kill(program, signal.SIGCONT)
        eventually(lambda: health(container) == "healthy", 30, f"healthy again with {program}")


@pytest.mark.parametrize(("program", "name"), [("nginx: master", "nginx"), ("-m notebook", "jupyter")])
def test_the_container_ends_when_a_program_cannot_be_kept_up_and_its_last_words_say_which(
    new_container: Make, program: str, name: str
) -> None:
    container = new_container(*QUICK_HEALTH).start()

    container.keep_down(program)

    assert container.wait_until_ended() == 1
    assert f"error: {name} could not be kept up" in container.log()
    assert health(container) != "healthy"


def test_each_line_of_the_log_has_its_programs_name(new_container: Make) -> None:
    container = new_container(SERVE="hello_world").start().wait_until_serving()
    container.get("/invoke/hello_world")
    container.stop()

    log = container.log()

    assert find_unlabelled_lines(log) == []
    assert {line.split(" | ")[0] for line in log.splitlines() if " | " in line} >= {
        "supervisord",
        "jupyter",
        "hello_world/blue",
    }
    assert find_unexpected_lines(log) == []


def test_a_cell_that_takes_all_memory_costs_its_request_and_nothing_else(new_container: Make) -> None:
    container = new_container("--memory=700m", "--memory-swap=700m", KERNELS="1").start()
    hoard = "# GET /hoard\nheld = []\nwhile True: held.append(bytearray(10_000_000))"
    container.write("hoarder", [hoard, "# GET /ok\nprint('ok')"])
    container.serve("hoarder")

    answer = container.get("/invoke/hoard")

    assert (answer.status_code, answer.json()["extensions"]["code"]) == (502, "kernel-died")
    assert container.get("/invoke/ok").text == "ok\n"
    assert container.is_running()
    assert health(container) != "unhealthy"
