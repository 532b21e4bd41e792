"""Who may call what: every path with every kind of credentials, and calls that another site causes."""

import http.client

import pytest

from tests.support.half_sent import basic
from tests.support.stack import API_USER, OWNER, Stack, another_address, as_json

WRONG = {
    "no credentials": None,
    "a wrong password": (OWNER[0], "not-the-password"),
    "an unknown user": ("nobody", OWNER[1]),
    "the first 8 characters": (OWNER[0], OWNER[1][:8]),
    "all but the last character": (OWNER[0], OWNER[1][:-1]),
    "one character more": (OWNER[0], OWNER[1] + "x"),
    "the API user's password": (OWNER[0], API_USER[1]),
    "the API user with the owner's password": (API_USER[0], OWNER[1]),
    "an empty password": (OWNER[0], ""),
}
OWNERS = [
    "/",
    "/docs",
    "/jupyter/",
    "/jupyter/tree",
    "/jupyter/api/contents",
    "/jupyter/api/kernels",
    "/jupyter/api/kernels/x/channels",
    "/jupyter/static/favicon.ico",
    "/process/status",
    "/process/notebooks",
    "/process/list_notebooks",
    "/process/get_current_nb",
    "/process/endpoints",
    "/process/logs",
    "/process/start?notebook=served",
    "/process/restart",
    "/process/stop",
    "/no/such/page",
]
INVOKES = ["/invoke/x", "/invoke/no/such/endpoint", "/invoke/", "/mcp"]
INVOKES += ["/apis/served/x", "/apis/served/mcp", "/apis/nobody/x", "/apis/"]
CHANGES = ["/process/start?notebook=served", "/process/restart?notebook=served", "/process/stop"]


@pytest.fixture
def serving_stack(stack: Stack) -> Stack:
    stack.keep_serving("served", ["# GET /x\nprint('x')"])
    return stack


@pytest.mark.parametrize("kind", WRONG)
def test_no_path_opens_without_the_right_password(serving_stack: Stack, kind: str) -> None:
    for path in OWNERS + INVOKES:
        for method in ("GET", "POST"):
            refusal = serving_stack.request(method, path, auth=WRONG[kind])
            assert refusal.status_code == 401, f"{method} {path}"
            assert refusal.headers["WWW-Authenticate"].startswith("Basic ")
    assert serving_stack.status()["state"] == "serving"


def test_a_refused_call_of_the_api_is_answered_as_json(serving_stack: Stack) -> None:
    assert as_json(serving_stack.invoke("x", auth=None))["message"]


@pytest.mark.parametrize("path", ["/", "/jupyter/tree", "/jupyter/api/contents", "/process/status", "/invoke/x"])
def test_the_owner_opens_everything(serving_stack: Stack, path: str) -> None:
    assert serving_stack.get(path).status_code == 200


def test_the_api_user_opens_the_api(serving_stack: Stack) -> None:
    answer = serving_stack.invoke("x", auth=API_USER)

    assert (answer.status_code, answer.text.strip()) == (200, "x")


def test_the_api_user_opens_nothing_else(serving_stack: Stack) -> None:
    for path in OWNERS:
        for method in ("GET", "POST"):
            refusal = serving_stack.request(method, path, auth=API_USER, source=another_address())
            assert refusal.status_code == 401, f"{method} {path}"
    assert serving_stack.status()["state"] == "serving"


@pytest.mark.parametrize(
    "path",
    [
        "/invoke/../process/stop",
        "/invoke/..%2fprocess/stop",
        "/invoke/%2e%2e/process/stop",
        "/invoke//../../process/stop",
        "//process/stop",
        "/process/../process/stop",
        "/invoke/../jupyter/api/kernels",
        "/invoke/..%2f..%2fjupyter/api/kernels",
        "/process/stop?/invoke/",
        "/process/stop/../../invoke/x",
        "/Process/stop",
        "/invoke/x/%2e%2e/%2e%2e/process/stop",
    ],
)
def test_no_spelling_of_a_path_takes_the_api_user_further(serving_stack: Stack, path: str) -> None:
    assert raw(serving_stack, path, API_USER) in {400, 401, 404}
    assert serving_stack.status()["state"] == "serving"


def raw(stack: Stack, path: str, auth: tuple[str, str]) -> int:
    """The status of a POST whose path is sent as it is; requests would tidy it up."""
    source = (another_address(), 0)
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10, source_address=source)
    try:
        connection.putrequest("POST", path, skip_accept_encoding=True)
        connection.putheader("Authorization", basic(auth)["Authorization"])
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_health_asks_for_nothing_and_tells_nothing_of_what_is_served(serving_stack: Stack) -> None:
    answer = serving_stack.get("/healthz", auth=None)

    assert answer.status_code == 200
    assert "served" not in answer.text
    assert serving_stack.get("/healthz", auth=WRONG["a wrong password"]).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Ssl": "on"},
        {"X-Forwarded-Protocol": "ssl"},
        {"X-Long": "x" * 9000},
        {f"X-{number}": "x" for number in range(120)},
        {"Script-Name": "/x"},
        {"Range": "bytes=0-1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_header_of_a_stranger_reaches_the_control_app(serving_stack: Stack, headers: dict[str, str]) -> None:
    before = serving_stack.log()

    answer = serving_stack.get("/healthz", auth=None, headers=headers)

    assert (answer.status_code, answer.content) == (200, serving_stack.get("/healthz").content)
    assert "Invalid" not in serving_stack.log()[len(before) :]


def test_health_is_asked_for_by_its_own_name(serving_stack: Stack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serving_stack.port, timeout=10)
    try:
        connection.putrequest("GET", "/process/status/../../healthz")
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, serving_stack.get("/healthz").content)
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example", "Sec-Fetch-Mode": "no-cors"},
    ],
    ids=str,
)
def test_another_site_changes_nothing(serving_stack: Stack, headers: dict[str, str], path: str, method: str) -> None:
    before = serving_stack.status()

    refusal = serving_stack.request(method, path, headers=headers)

    assert refusal.status_code == 403
    assert as_json(refusal)["message"]
    assert serving_stack.status() == before


def test_our_own_page_and_a_typed_address_may_start(serving_stack: Stack) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": serving_stack.url},
        {"Sec-Fetch-Site": "none"},
        {"Origin": serving_stack.url},
    ):
        assert serving_stack.get(CHANGES[0], headers=headers).status_code == 200


def test_another_site_starts_no_kernel_in_jupyter(serving_stack: Stack) -> None:
    refusal = serving_stack.post("/jupyter/api/kernels", json={}, headers={"Origin": "http://evil.example"})

    assert refusal.status_code in {403, 404}
    assert as_json(serving_stack.get("/jupyter/api/kernels")) == []


def test_pages_cannot_be_framed_by_another_site(serving_stack: Stack) -> None:
    for path in ("/", "/jupyter/tree"):
        assert "frame-ancestors" in serving_stack.get(path).headers["Content-Security-Policy"]
