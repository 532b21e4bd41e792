"""What comes from a request is in the log under that request's id, whatever its text, and of bounded length."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.records import log
from gateway.records.record import TEXT_LIMIT
from tests.support.arbiter import Arbiter, Worker, endpoint, serving

EVIL = "".join(f"{end}[another] forged" for end in ("", "\n", "\r", "\r\n", "\x0b", "\x85", "\u2028"))
BODY = "import asyncio, json, sys, threading\nbody = json.loads(REQUEST)['body']\n"
RUN = "\nthread.start()\nthread.join()"
ENDPOINTS = [
    endpoint("POST /raises", f"{BODY}raise ValueError(body)"),
    endpoint("POST /prints", f"{BODY}print(body, file=sys.stderr)"),
    endpoint("POST /threads", f"{BODY}thread = threading.Thread(target=print, args=(body,)){RUN}"),
    endpoint(
        "POST /dies-in-a-thread",
        f"{BODY}def fail(): raise ValueError(body)\nthread = threading.Thread(target=fail){RUN}",
    ),
    endpoint(
        "POST /late",
        f"{BODY}async def late(body):\n    await asyncio.sleep(0.05)\n    print(body)\n"
        "task = asyncio.ensure_future(late(body))\nawait asyncio.sleep(0)",
    ),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arbiter]:
    with serving(tmp_path_factory.mktemp("log"), *ENDPOINTS) as arbiter:
        yield arbiter


@pytest.fixture
def worker(api: Arbiter) -> Worker:
    return api.workers[0]


def post(api: Arbiter, path: str, body: str, request_id: str) -> None:
    headers = {"X-Request-Id": request_id, "Content-Type": "application/json"}
    api.ask("POST", path, json.dumps(body).encode(), headers)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/raises", "[mine] "),
        ("/prints", "[mine] "),
        ("/threads", "[-] "),
        ("/dies-in-a-thread", "[-] "),
        ("/late", "[mine] "),
    ],
)
def test_no_text_of_a_caller_begins_a_line(api: Arbiter, worker: Worker, path: str, label: str) -> None:
    post(api, path, f"{EVIL}\n[another] the end of {path}", "mine")

    worker.wait_for_log(f"the end of {path}")
    lines = worker.log.read_bytes().decode().split("\n")  # a lone \r is left to supervise.py, which shows it
    assert [line for line in lines if "forged" in line]
    assert not [line for line in lines if line.startswith("[another]")]
    assert [line for line in lines if line == f"{label}[another] the end of {path}"]


def test_a_traceback_of_any_length_is_cut_from_its_end_and_says_so(api: Arbiter, worker: Worker) -> None:
    post(api, "/raises", "x\n" * 500_000 + "the very end", "long")

    lines = [line for line in worker.wait_for_log("the very end").split("\n") if line.startswith("[long]")]
    assert "characters left out)" in lines[0]
    assert sum(len(line) - len("[long] ") + 1 for line in lines[1:]) <= TEXT_LIMIT + 1
    assert lines[-1] == "[long] the very end"


def test_callers_who_see_tracebacks_get_the_cut_one(tmp_path: Path) -> None:
    with serving(tmp_path, ENDPOINTS[0], show_traceback=True) as arbiter:
        answer = arbiter.post("/raises", "x" * 1_000_000)

    assert len(answer.body) < 2 * TEXT_LIMIT
    assert "characters left out)" in answer.json["extensions"]["traceback"][0]


def test_two_million_lines_of_one_request_are_logged_by_their_beginning_and_their_end(
    api: Arbiter, worker: Worker
) -> None:
    before = worker.log.stat().st_size

    post(api, "/prints", "the first\n" + "\n" * 2_000_000 + "the last", "many")

    worker.wait_for_log("[many] the last\n")
    added = worker.log.read_bytes()[before:].decode()
    assert "[many] the first\n" in added
    assert int(added.partition(" lines omitted")[0].rpartition("… ")[2].replace(",", "")) > 1_980_000
    assert len(added) < 200_000
    assert api.post("/prints", "next").status == 200


def test_what_a_thread_prints_at_once_is_bounded_too(api: Arbiter, worker: Worker) -> None:
    before = worker.log.stat().st_size

    post(api, "/threads", "\n" * 2_000_000 + "the last of a thread", "thread")

    worker.wait_for_log("[-] the last of a thread\n")
    assert worker.log.stat().st_size - before < 200_000


# -- the log of one request


def test_all_lines_are_logged_at_once_while_there_is_room(pieces: list[str]) -> None:
    request_log = log.RequestLog("a")
    for number in range(1000):
        request_log.write(f"line {number}")
    request_log.close()

    assert pieces[:-1] == [f"[a] line {number}\n" for number in range(999)]
    assert pieces[-1] == "[a] line 999\n"


def test_beyond_the_room_the_last_lines_follow_at_the_end(pieces: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LINE_COST", 5)
    monkeypatch.setattr(log, "HEAD", 30)
    monkeypatch.setattr(log, "TAIL", 40)
    request_log = log.RequestLog("a")
    for number in range(100, 200):
        request_log.write(f"{number}\r\nx")
    request_log.close()

    assert "".join(pieces).splitlines() == [
        *["[a] 100", "[a] x", "[a] 101", "[a] x"],
        "[a] … the last lines of this request follow at its end",
        "[a] … 191 lines omitted",
        *["[a] x", "[a] 198", "[a] x", "[a] 199", "[a] x"],
    ]


def test_of_a_line_that_is_too_long_beginning_and_end_are_logged(
    pieces: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "HEAD", 30_000)
    monkeypatch.setattr(log, "TAIL", 130)
    log.write_lines("a", "first" + "x" * 100_000 + "last")

    lines = "".join(pieces).splitlines()
    assert lines[0].startswith("[a] firstxxx")
    assert lines[-1].endswith("xxxlast")
    assert len("".join(lines)) < 20_000


# -- pieces of lines


def test_pieces_become_one_line_behind_one_label(pieces: list[str]) -> None:
    for text in ("one ", "line", "\n", "", "two\nthree\n", "\n"):
        log.write_part("-", text)

    assert "".join(pieces) == "[-] one line\n[-] two\n[-] three\n[-] \n"


def test_a_line_that_another_interrupts_does_not_lend_it_its_label(pieces: list[str]) -> None:
    log.write_part("a", "half")
    log.write_part("b", "other")
    log.write_lines("c", "whole")
    log.write_part("b", "rest\n")
    log.write_lines("c", "again")

    assert "".join(pieces) == "[a] half\n[b] other\n[c] whole\n[b] rest\n[c] again\n"
