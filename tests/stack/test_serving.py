"""From a notebook to an answer, and on to the next one: what a person does all day."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.stack import API_USER, Stack, as_json
from tests.support.waiting import eventually


def test_a_started_notebook_answers_at_once(idle_stack: Stack) -> None:
    idle_stack.write("greeter", ["greeting = 'Hello'", "# GET /hello\nprint(greeting)"])

    response = idle_stack.start_api("greeter")

    assert response.status_code == 200
    assert as_json(response) == {
        "message": "greeter is being served.",
        "state": "serving",
        "notebook": "greeter",
        "endpoints": [{"method": "GET", "path": "/hello"}],
    }
    answer = idle_stack.invoke("hello")
    assert (answer.status_code, answer.text.strip()) == (200, "Hello")


def test_visiting_the_start_address_starts_it_too(idle_stack: Stack) -> None:
    idle_stack.write("greeter", ["# GET /hello\nprint('Hello')"])

    assert idle_stack.get("/process/start?notebook=greeter").status_code == 200

    assert idle_stack.invoke("hello").status_code == 200


TEXT = """\
# %% [markdown]
# # A price list

# %%
prices = {"tea": 3}

# %% [markdown]
# The price of a product, in euros.

# %%
# GET /price/:product
print(prices[json.loads(REQUEST)["path"]["product"]])

# %%
import json
"""


def test_a_notebook_as_text_is_served_and_documented_like_any_other(stack: Stack) -> None:
    stack.write_text("as_text", TEXT, "server.py")

    assert stack.restart_api("as_text").status_code == 200

    assert stack.invoke("price/tea").text.strip() == "3"
    document = as_json(stack.invoke("_api/spec/openapi.json"))
    assert document["info"]["description"] == "# A price list"
    assert document["paths"]["/price/{product}"]["get"]["summary"] == "The price of a product, in euros."
    assert as_json(stack.get("/process/get_current_nb")) == {"message": "as_text/server.py"}


def test_an_error_in_a_text_has_its_line_in_the_cell_and_in_the_file(stack: Stack) -> None:
    stack.serve("before", ["# GET /before\nprint('before')"])
    stack.write_text("as_text", TEXT.replace('{"tea"', '{1/0: 1, "tea"'), "server.py")

    answer = stack.restart_api("as_text")

    assert answer.status_code == 422
    reason = "as_text does not run (cell 1, line 5 of server.py). ZeroDivisionError: division by zero."
    assert reason in as_json(answer)["message"]
    error = stack.status()["last_error"]
    assert (error["cell"], error["line"], error["file_line"]) == (1, 1, 5)
    assert error["source"] == 'prices = {1/0: 1, "tea": 3}'
    assert stack.invoke("before").text.strip() == "before"


def test_starting_what_is_served_changes_nothing(stack: Stack) -> None:
    stack.serve("counter", ["count = 0", "# GET /count\ncount += 1\nprint(count)"])
    assert stack.invoke("count").text.strip() == "1"
    slot = stack.status()["slot"]

    again = stack.start_api("counter")

    assert (again.status_code, as_json(again)["state"]) == (200, "serving")
    assert stack.status()["slot"] == slot
    assert stack.invoke("count").text.strip() == "2"


def test_a_second_project_is_served_beside_the_first_and_takes_its_place_by_a_restart(stack: Stack) -> None:
    stack.serve("first", ["# GET /who\nprint('first')"])
    stack.write("second", ["# GET /who\nprint('second')"])

    assert stack.start_api("second").status_code == 200

    assert stack.invoke("who").text.strip() == "first"
    assert stack.get("/apis/second/who", auth=API_USER).text.strip() == "second"
    assert stack.stop_api("second").status_code == 200
    assert stack.get("/apis/second/who").status_code == 503
    assert stack.restart_api("second").status_code == 200
    assert stack.invoke("who").text.strip() == "second"
    assert stack.get("/apis/first/who").text.strip() == "first"


def test_restart_without_a_name_takes_the_served_project_anew(stack: Stack) -> None:
    stack.serve("edited", ["# GET /version\nprint(1)"])
    stack.write("edited", ["# GET /version\nprint(2)"])
    assert stack.invoke("version").text.strip() == "1"

    assert as_json(stack.restart_api())["notebook"] == "edited"

    assert stack.invoke("version").text.strip() == "2"


def test_restart_with_nothing_served_and_no_name_says_what_to_do(idle_stack: Stack) -> None:
    refusal = idle_stack.restart_api()

    assert refusal.status_code == 409
    assert "restart?notebook=" in as_json(refusal)["message"]


def test_a_start_without_a_name_changes_nothing_while_one_is_served_and_else_serves_the_last(stack: Stack) -> None:
    stack.write("another", ["# GET /x\nprint(1)"])
    stack.serve("last", ["count = 0", "# GET /count\ncount += 1\nprint(count)"])
    assert stack.invoke("count").text.strip() == "1"
    for method in ("GET", "POST"):
        response = stack.request(method, "/process/start")
        assert (response.status_code, as_json(response)["notebook"]) == (200, "last")
    assert stack.invoke("count").text.strip() == "2"

    stack.stop_api()
    assert "<option selected>last</option>" in stack.get("/").text
    response = stack.get("/process/start")

    assert (response.status_code, as_json(response)["notebook"]) == (200, "last")
    assert stack.invoke("count").text.strip() == "1"


def test_an_unknown_project_is_answered_with_those_that_exist(stack: Stack) -> None:
    stack.write("deep/inside", ["# GET /x\nprint(1)"])

    refusal = stack.start_api("nowhere")

    assert refusal.status_code == 404
    assert "nowhere" in as_json(refusal)["message"]
    assert "deep/inside" in as_json(refusal)["message"]


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "../outside/server.ipynb",
        "served/../../outside",
        "/etc",
        "http://example.org/server.ipynb",
        "file:///etc/server.ipynb",
        "link",
        "link/server.ipynb",
        "a\0b",
        "x" * 3000,
        ".",
        "..",
    ],
)
def test_no_name_reaches_outside_the_notebook_folder(stack: Stack, name: str) -> None:
    outside = stack.home / "outside" / "server.ipynb"
    outside.parent.mkdir(exist_ok=True)
    outside.write_text(stack.write("served", ["# GET /x\nprint(1)"]).read_text())
    link = stack.notebook_dir / "link"
    if not link.is_symlink():
        link.symlink_to(outside.parent)

    for call in ("start", "restart"):
        assert stack.process_call(call, name).status_code == 404


def test_a_project_in_a_folder_of_folders_is_served(stack: Stack) -> None:
    stack.serve("team/shop/orders", ["# GET /orders\nprint('[]')"])

    assert stack.status()["notebook"] == "team/shop/orders"
    assert stack.invoke("orders").text.strip() == "[]"


def test_existing_clients_find_the_calls_and_shapes_that_they_know(idle_stack: Stack) -> None:
    idle_stack.write("known", ["# GET /x\nprint(1)"])
    assert as_json(idle_stack.get("/process/get_current_nb")) == {"message": "None"}
    files = as_json(idle_stack.get("/process/list_notebooks"))["files"]
    assert files["known/server.ipynb"] == "known/server.ipynb"

    response = idle_stack.get("/process/start", params={"seed": "known/server.ipynb"})

    assert (response.status_code, as_json(response)["notebook"]) == (200, "known")
    assert as_json(idle_stack.get("/process/get_current_nb")) == {"message": "known/server.ipynb"}


def test_projects_are_listed_without_checkpoints(stack: Stack) -> None:
    stack.write("listed", ["# GET /x\nprint(1)"])
    stack.write("listed/.ipynb_checkpoints", ["# GET /x\nprint(1)"])
    (stack.notebook_dir / "no-notebook").mkdir(exist_ok=True)

    names = as_json(stack.get("/process/notebooks"))["notebooks"]

    assert "listed" in names
    assert not [name for name in names if "checkpoints" in name or name == "no-notebook"]
    assert names == sorted(names)


def test_status_and_endpoints_tell_what_is_served(stack: Stack) -> None:
    stack.serve("told", ["# GET /a/:b\nprint(1)", "# POST /c\nprint(1)"])

    status = stack.status()
    endpoints = as_json(stack.get("/process/endpoints"))

    assert status["state"] == "serving"
    assert status["notebook"] == endpoints["notebook"] == "told"
    assert status["slot"] in {"blue", "green"}
    assert status["since"].startswith("20")
    assert status["last_error"] is None
    expected = [("GET", "/a/:b"), ("POST", "/c")]
    assert sorted((e["method"], e["path"]) for e in endpoints["endpoints"]) == expected
    assert status["endpoints"] == endpoints["endpoints"]


def test_after_a_stop_callers_are_told_how_to_start(stack: Stack) -> None:
    stack.serve("stopped", ["# GET /x\nprint(1)"])

    response = stack.stop_api()

    assert (response.status_code, as_json(response)["state"]) == (200, "stopped")
    assert stack.status()["state"] == "stopped"
    for auth in (None, ("webhook", "wrong")):
        assert stack.invoke("x", auth=auth).status_code == 401
    refusal = stack.invoke("x", method="POST", json={"a": 1})
    assert refusal.status_code == 503
    assert refusal.headers["Content-Type"].startswith("application/json")
    assert "/process/start?notebook=" in as_json(refusal)["message"]


def test_a_stop_cuts_callers_off_at_once_while_a_restart_waits_for_old_requests(stack: Stack, tmp_path: Path) -> None:
    start_file = tmp_path / "begun"
    slow = f"# GET /slow\nimport pathlib, time\npathlib.Path({str(start_file)!r}).touch()\ntime.sleep(8)\nprint('done')"
    stack.serve("slow", [slow, "# GET /x\nprint('x')"])
    with ThreadPoolExecutor(3) as pool:
        request = pool.submit(stack.invoke, "slow")
        eventually(start_file.exists, 10, "the cell")
        assert stack.restart_api().status_code == 200
        restart = pool.submit(stack.restart_api)
        eventually(lambda: stack.status()["busy"], 10, "a restart that waits for the slot of the request")

        stop = pool.submit(stack.stop_api)

        eventually(lambda: stack.invoke("x").status_code == 503, 1, "no service")
        assert restart.result().status_code == 409
        assert not request.done()
        assert request.result().text == "done\n"
        assert stop.result().status_code == 200


def test_a_stop_with_nothing_served_is_fine(idle_stack: Stack) -> None:
    assert idle_stack.stop_api().status_code == 200


def test_two_first_starts_at_once_serve_both_and_one_is_the_default(idle_stack: Stack) -> None:
    for name in ("left", "right"):
        idle_stack.write(name, [f"# GET /who\nprint({name!r})"])
    together = threading.Barrier(2)

    def start(name: str) -> int:
        together.wait(5)
        return idle_stack.start_api(name).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(start, ("left", "right"))) == [200, 200]

    assert [idle_stack.get(f"/apis/{name}/who").text.strip() for name in ("left", "right")] == ["left", "right"]
    assert idle_stack.invoke("who").text.strip() == idle_stack.status()["notebook"]


def test_two_starts_of_one_project_at_once_both_succeed(idle_stack: Stack) -> None:
    idle_stack.write("same", ["# GET /x\nprint(1)"])

    with ThreadPoolExecutor(2) as pool:
        codes = [r.status_code for r in pool.map(idle_stack.start_api, ("same", "same"))]

    assert codes == [200, 200]
    assert len([p for p in idle_stack.processes() if "-m gateway" in p.command]) == 1
