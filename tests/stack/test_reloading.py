"""Reload on save, with the real stack: what a person sees who saves in Jupyter or in an editor."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.jupyter import Jupyter
from tests.support.notebooks import DEEP, notebook_text
from tests.support.stack import Stack
from tests.support.waiting import eventually


@pytest.fixture
def reloading(stack: Stack) -> Iterator[Stack]:
    """The shared stack, with the switch on."""
    assert stack.process_call("reload?on=1").json()["reload"] is True
    yield stack
    assert stack.process_call("reload?on=0").status_code == 200


def version(number: object) -> str:
    return f"# GET /version\nprint({number})"


def answers(stack: Stack, number: object) -> bool:
    return stack.invoke("version").text.strip() == str(number)


def restarts(stack: Stack, project: str) -> int:
    """How often a save has restarted a project."""
    return stack.log().count(f"control | {project} was saved: restarting it.")


def test_what_is_saved_in_jupyter_answers_without_a_click(reloading: Stack) -> None:
    reloading.serve("saved", [version(1)])
    with Jupyter(reloading) as jupyter:
        content = jupyter.read("saved/server.ipynb")
        content["cells"][0]["source"] = version(2)
        jupyter.save("saved/server.ipynb", content)

        eventually(lambda: answers(reloading, 2), 15, "the version that was saved")

        # Autosaves: outputs, a note and a blank cell are new, the code is not.
        content["cells"].append({"cell_type": "markdown", "id": "note", "metadata": {}, "source": "A note"})
        for count in range(5):
            content["cells"][0]["execution_count"] = count
            jupyter.save("saved/server.ipynb", content)
        content["cells"][0]["source"] = version(3)
        jupyter.save("saved/server.ipynb", content)
        eventually(lambda: answers(reloading, 3), 15, "the next version")
    assert restarts(reloading, "saved") == 2


def test_a_text_that_is_saved_in_an_editor_answers_without_a_click(reloading: Stack) -> None:
    path = reloading.write_text("edited_text", version(1), "server.py")
    assert reloading.restart_api("edited_text").status_code == 200

    path.write_text(f"# %% [markdown]\n# A note\n\n# %%\n{version(1)}\n")
    path.write_text(f"# %% [markdown]\n# Another\n\n# %%\n{version(2)}\n")

    eventually(lambda: answers(reloading, 2), 15, "the version that was saved")
    assert restarts(reloading, "edited_text") == 1


def test_callers_get_an_answer_throughout(reloading: Stack) -> None:
    reloading.serve("steady", [version(1)])
    codes = set()
    reloading.write("steady", [version(2)])

    def look() -> bool:
        answer = reloading.invoke("version")
        codes.add(answer.status_code)
        return answer.text.strip() == "2"

    eventually(look, 15, "the new version")
    assert codes == {200}


def test_a_save_that_does_not_run_leaves_the_old_version_up_and_tells_why(reloading: Stack) -> None:
    reloading.serve("hurried", [version(1)])
    reloading.write("hurried", ["x = 1", "raise ValueError('half typed')", version(2)])

    error = eventually(lambda: reloading.status()["last_error"], 15, "the reason")

    assert (error["cell"], error["line"], error["value"]) == (2, 1, "half typed")
    assert reloading.status()["state"] == "serving"
    assert answers(reloading, 1)
    reloading.write("hurried", [version(3)])
    eventually(lambda: answers(reloading, 3), 15, "the repaired version")
    eventually(lambda: reloading.status()["last_error"] is None, 5, "a status without the error")
    assert restarts(reloading, "hurried") == 2


def test_a_save_in_the_middle_of_a_restart_is_served_in_the_end(reloading: Stack, tmp_path: Path) -> None:
    reloading.serve("twice", [version(1)])
    start_file = tmp_path / "begun"
    cell = f"import pathlib, time\npathlib.Path({str(start_file)!r}).touch()\ntime.sleep(1)"
    reloading.write("twice", [cell, version(2)])
    eventually(start_file.exists, 15, "the first restart in its cells")

    reloading.write("twice", [version(3)])

    eventually(lambda: answers(reloading, 3), 20, "the last version")
    assert restarts(reloading, "twice") == 2


def test_a_file_that_is_still_being_written_is_waited_for(reloading: Stack) -> None:
    reloading.serve("slowly", [version(1)])
    text = notebook_text([version(2)])
    path = reloading.notebook_dir / "slowly" / "server.ipynb"
    with path.open("w", encoding="utf-8") as file:  # the file is empty from here on
        for start in range(0, len(text), 40):
            file.write(text[start : start + 40])
            file.flush()
            assert answers(reloading, 1)

    eventually(lambda: answers(reloading, 2), 15, "the whole version")
    assert restarts(reloading, "slowly") == 1


def test_a_notebook_that_is_deleted_while_it_is_served_answers_on_and_the_page_says_so(reloading: Stack) -> None:
    path = reloading.write("gone", [version(1)])
    assert reloading.restart_api("gone").status_code == 200
    path.unlink()

    eventually(lambda: "Its notebook no longer exists." in reloading.get("/").text, 10, "the word on the page")

    assert answers(reloading, 1)
    reloading.write("gone", [version(2)])
    eventually(lambda: answers(reloading, 2), 15, "the notebook that came back")


def test_a_project_that_is_deleted_while_it_is_served_cannot_be_restarted_until_it_is_back(reloading: Stack) -> None:
    reloading.serve("removed", [version(1)])
    shutil.rmtree(reloading.notebook_dir / "removed")

    for name in ("removed", None):
        refusal = reloading.restart_api(name)
        assert refusal.status_code == 404
        assert "There is no project 'removed'." in refusal.json()["message"]
    assert reloading.status()["state"] == "serving"
    assert answers(reloading, 1)

    reloading.write("removed", [version(2)])
    eventually(lambda: answers(reloading, 2), 15, "the project that came back")
    assert restarts(reloading, "removed") == 1


def test_neither_a_fifo_nor_json_that_is_too_deep_ends_the_watch(reloading: Stack) -> None:
    path = reloading.write("odd", [version(1)])
    assert reloading.restart_api("odd").status_code == 200
    path.unlink()
    os.mkfifo(path)
    eventually(lambda: "Its notebook no longer exists." in reloading.get("/").text, 10, "the word on the page")
    refusal = reloading.restart_api("odd")
    assert (refusal.status_code, "no regular file" in refusal.json()["message"]) == (404, True)

    path.unlink()
    path.write_text(DEEP)
    error = eventually(lambda: reloading.status()["last_error"], 15, "the reason")
    assert "nested too deeply" in error["message"]

    assert answers(reloading, 1)
    path.write_text(notebook_text([version(2)]))
    eventually(lambda: answers(reloading, 2), 15, "the notebook")


def test_variables_that_are_saved_count_at_once(reloading: Stack) -> None:
    reloading.serve("variables", ["import os", version("os.environ.get('VERSION', 1)")])
    assert answers(reloading, 1)
    variables = reloading.notebook_dir / "variables" / ".env"

    variables.write_text("VERSION=2")
    eventually(lambda: answers(reloading, 2), 15, "the new value")
    variables.write_text("VERSION=3\nno variable")
    error = eventually(lambda: reloading.status()["last_error"], 15, "the reason")

    assert error["value"].startswith(".env: line 2: ")
    assert answers(reloading, 2)
    assert restarts(reloading, "variables") == 2


def test_a_burst_of_saves_by_rename_ends_with_the_last_of_them(reloading: Stack) -> None:
    path = reloading.write("renamed", [version(0)])
    assert reloading.restart_api("renamed").status_code == 200
    for number in range(1, 31):
        new_file = path.with_name("saved")
        new_file.write_text(notebook_text([version(number)]), encoding="utf-8")
        new_file.replace(path)
        assert reloading.invoke("version").status_code == 200

    eventually(lambda: answers(reloading, 30), 20, "the last version")
    assert restarts(reloading, "renamed") < 30
    assert reloading.status()["last_error"] is None


def test_the_setting_and_the_switch_outlive_a_killed_control_app(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(RELOAD="1").start()
    assert stack.status()["reload"] is True
    stack.serve("kept", [version(1)])
    for number, on in ((2, True), (3, False)):
        stack.process_call(f"reload?on={int(on)}")
        before = [process for process in stack.processes() if "control.web.app" in process.command]
        stack.kill(stack.process("control.web.app"))
        eventually(lambda before=before: not any(one.is_running() for one in before), 5, "the end of its worker")
        eventually(stack.is_healthy, 15, "the control app again")
        assert stack.status()["reload"] is on
        stack.write("kept", [version(number)])
        if on:
            eventually(lambda number=number: answers(stack, number), 15, "a save that the new one sees")
    # Turned on again, the save that waited counts.
    assert answers(stack, 2)
    stack.process_call("reload?on=1")
    eventually(lambda: answers(stack, 3), 15, "the save that waited")


@pytest.mark.parametrize("value", ["", "yes", "2"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(stack: Stack, value: str) -> None:
    answer = stack.process_call(f"reload?on={value}")

    assert answer.status_code == 400
    assert "reload?on=1" in answer.json()["message"]
    assert stack.process_call("reload?on=1", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
