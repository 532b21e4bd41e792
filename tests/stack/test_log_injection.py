"""A stranger's text in the log, with the real programs around it: it forges no line and hides none."""

import base64
import re
import unicodedata

import pytest

from tests.support.stack import Stack
from tests.support.waiting import eventually

CELLS = [
    "import json, sys",
    "# POST /raises\nraise ValueError(json.loads(REQUEST)['body']['text'])",
    "# POST /prints\nprint(json.loads(REQUEST)['body']['text'], file=sys.stderr)",
]
PROGRAM = re.compile(r"(nginx|control|jupyter|tools|noisy/blue|noisy/green|supervisord) \| ")
STRANGER = "stranger"
FORGED = f"noisy/blue | [another-request] {STRANGER}"
CONTROLS = ("\n", "\r", "\r\n", "\x1b[2J", "\x1b[31m", "\x9b2J", "\u2028", "\u202e", "\x85")
EVIL = "".join(f"{control}{FORGED}" for control in CONTROLS)
TOKEN = "a-token-of-the-caller"
MOST = 200_000  # bytes that the log may grow by


@pytest.fixture
def serving(stack: Stack) -> Stack:
    stack.serve("noisy", CELLS)
    return stack


def harmless(text: str) -> None:
    """Fails where a line of the log has a control character, or is very long."""
    assert not [char for char in text if unicodedata.category(char) in ("Cc", "Zl", "Zp") and char not in "\n\t"]
    assert "\u202e" not in text
    assert max(map(len, text.split("\n"))) < 17_000


@pytest.mark.parametrize("path", ["raises", "prints"])
def test_a_megabyte_of_a_strangers_text_forges_no_line(serving: Stack, path: str) -> None:
    before, request_id = len(serving.log()), f"evil-{path}"
    text = f"{EVIL}{'x' * 1_000_000}{EVIL}\nthe end of {path}"
    serving.invoke(f"{path}?token={TOKEN}", "POST", json={"text": text}, headers={"X-Request-Id": request_id})
    eventually(lambda: f"the end of {path}" in serving.log())

    log, of_the_api = serving.log()[before:], serving.api_log()
    assert len(log) < MOST
    assert TOKEN not in log
    assert "bytes left out" in log or "characters left out" in log
    label = re.compile(rf"noisy/(blue|green) \| \[{request_id}\] ")
    lines = [line for line in log.split("\n") if STRANGER in line]
    assert len(lines) > 3
    assert all(label.match(line) for line in lines)
    matches = [line for line in of_the_api.split("\n") if STRANGER in line]  # an earlier request's may be there, too
    assert [line for line in matches if line.startswith(f"[{request_id}] ")]
    assert [line[:300] for line in matches if not re.match(r"\[evil-\w+\] ", line)] == []
    for log_text in (log, of_the_api):
        harmless(log_text)


def test_a_user_name_with_line_breaks_forges_no_line_of_another_program(serving: Stack) -> None:
    before = len(serving.log())
    credentials = base64.b64encode(f"{EVIL}:password".encode()).decode()
    url, headers = f"/invoke/raises?token={TOKEN}", {"Authorization": f"Basic {credentials}"}
    referrer = {"Referer": f"http://x/?token={TOKEN}"}
    assert serving.get(url, auth=None, headers=headers | referrer).status_code == 401
    serving.invoke("prints", "POST", json={"text": "the end of the names"})
    eventually(lambda: "the end of the names" in serving.log())

    log = serving.log()[before:]
    assert TOKEN not in log
    assert STRANGER not in log, "nginx prints nothing of a request that it refuses"
    assert all(PROGRAM.match(line) for line in log.split("\n") if line)
    harmless(log)
