"""The limits that settings set, and several kernels side by side."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.jupyter import Jupyter
from tests.support.notebooks import notebook
from tests.support.stack import Stack, as_json
from tests.support.waiting import eventually

# Returns when the request with the other name is in its cell too, which one kernel alone never reaches.
MEET = """# GET /meet/:me/:other
request = json.loads(REQUEST)["path"]
(folder / request["me"]).touch()
while not (folder / request["other"]).exists():
    time.sleep(0.01)
print("met")"""


@pytest.fixture(scope="module")
def tight() -> Iterator[Stack]:
    """A stack with two kernels and small limits."""
    with Stack(KERNELS="2", MAX_BODY_MB="1", START_TIMEOUT="15", REQUEST_TIMEOUT="3") as stack:
        yield stack.start()


def test_two_kernels_answer_two_requests_at_once(tight: Stack, tmp_path: Path) -> None:
    imports = f"import json, time\nfrom pathlib import Path\nfolder = Path({str(tmp_path)!r})"
    tight.serve("pair", [imports, MEET])

    with ThreadPoolExecutor(2) as pool:
        answers = [answer.text.strip() for answer in pool.map(tight.invoke, ("meet/a/b", "meet/b/a"))]

    assert answers == ["met", "met"]


def test_a_body_over_the_limit_is_refused_as_json_with_the_settings_name(tight: Stack) -> None:
    refusal = tight.invoke("any", method="POST", data=b"x" * (1024 * 1024 + 1))

    assert refusal.status_code == 413
    assert refusal.headers["Content-Type"].startswith("application/json")
    assert "MAX_BODY_MB" in as_json(refusal)["message"]


def test_a_notebook_with_plots_can_be_saved_though_the_api_takes_only_small_bodies(
    tight: Stack,
) -> None:
    plots = notebook(["x" * 3_000_000])

    with Jupyter(tight) as jupyter:
        jupyter.save("plots.ipynb", plots)

        assert jupyter.read("plots.ipynb")["cells"][0]["source"] == "x" * 3_000_000
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zip_file:
        zip_file.writestr("server.ipynb", json.dumps(plots))
    assert tight.post("/process/upload", files={"archive": ("large.zip", archive.getvalue())}).status_code == 201
    refusal = tight.invoke("x", "POST", data=b"x" * 2_000_000)
    assert (refusal.status_code, "1 MB (MAX_BODY_MB)" in as_json(refusal)["message"]) == (413, True)


def test_a_body_at_the_limit_passes(tight: Stack) -> None:
    tight.serve("size", ["import json", "# POST /size\nprint(len(json.loads(REQUEST)['body']))"])

    answer = tight.invoke("size", method="POST", data=b"x" * (1024 * 1024), headers={"Content-Type": "text/plain"})

    assert (answer.status_code, answer.text.strip()) == (200, str(1024 * 1024))


def test_a_start_that_takes_too_long_is_a_504_and_leaves_nothing_running(tight: Stack) -> None:
    tight.stop_api()
    tight.write("endless", ["import time\ntime.sleep(600)", "# GET /x\nprint(1)"])
    start = time.monotonic()

    late = tight.start_api("endless")

    assert late.status_code == 504
    assert "START_TIMEOUT" in as_json(late)["message"]
    assert time.monotonic() - start >= 15
    assert tight.status()["state"] == "failed"
    assert "START_TIMEOUT" in tight.status()["last_error"]["message"]
    assert not [p for p in tight.processes() if "-m gateway" in p.command or "ipykernel" in p.command]


def test_a_request_that_takes_too_long_is_a_504_as_json(tight: Stack) -> None:
    tight.serve("late", ["import time", "# GET /late\ntime.sleep(600)\nprint('late')", "# GET /x\nprint('x')"])
    start = time.monotonic()

    late = tight.invoke("late")

    assert late.status_code == 504
    assert time.monotonic() - start >= 3
    assert as_json(late)["message"]


def test_a_project_has_limits_of_its_own_and_the_next_one_the_stacks(tight: Stack) -> None:
    cells = ["import time", "# GET /late\ntime.sleep(60)  # until the limit", "# GET /fail\nraise ValueError"]
    path = tight.write("own", cells)
    path.with_name("api.toml").write_text("kernels = 1\nrequest_timeout = 1\nshow_tracebacks = true\n")
    assert tight.restart_api("own").status_code == 200
    assert tight.status()["kernels"] == 1
    start = time.monotonic()
    assert tight.invoke("late").status_code == 504
    assert time.monotonic() - start < 3
    assert "traceback" in as_json(tight.invoke("fail"))["extensions"]

    tight.serve("not_own", cells)
    assert tight.status()["kernels"] == 2
    assert "traceback" not in as_json(tight.invoke("fail"))["extensions"]


def test_a_stop_waits_for_a_request_that_only_its_project_allows(tight: Stack, tmp_path: Path) -> None:
    start_file = tmp_path / "begun"
    # Longer than a slot gets to stop by the stack's limit: 3 + 5 s.
    cell = f"# GET /long\npathlib.Path({str(start_file)!r}).touch()\ntime.sleep(9)\nprint('all of it')"
    path = tight.write("patient", ["import pathlib, time", cell])
    path.with_name("api.toml").write_text("request_timeout = 60")
    assert tight.restart_api("patient").status_code == 200
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(tight.invoke, "long")
        eventually(start_file.exists, 10, "the request in its cell")

        assert tight.stop_api().status_code == 200

        assert (request.result().status_code, request.result().text) == (200, "all of it\n")
