"""Several APIs at once: their addresses, and who is led where."""

import http.client
from urllib.parse import quote

import pytest

from tests.support.half_sent import basic
from tests.support.stack import API_USER, OWNER, Stack, another_address, as_json
from tests.support.waiting import eventually

SHOP = "shop"
# As long as an address can have it, with all that means something to some program on the way.
ODD = "teams/ü 50%?#\\&a:b+~;{}".ljust(89, "n")
ODD_ADDRESS = f"/apis/{quote(ODD.replace('/', '.').replace(':', '-'))}"


def cells(name: str) -> list[str]:
    return [
        "import json",
        f"# GET, POST /name\nprint('{name}')",
        "# GET /exit\nimport os\nos._exit(1)",
        "# GET /headers\nprint(json.dumps(sorted(json.loads(REQUEST)['headers'])))",
    ]


# -- addresses


@pytest.fixture
def apis(stack: Stack) -> Stack:
    """The shared stack with two APIs, of which SHOP is the default one."""
    served = {api["notebook"] for api in stack.status()["apis"]}
    if served != {SHOP, ODD}:
        stack.serve(SHOP, cells("shop"))
        stack.write(ODD, cells("odd"))
        assert stack.start_api(ODD).status_code == 200
    return stack


def send(stack: Stack, path: str, method: str = "POST") -> tuple[int, str]:
    """The API user's request, whose path is sent as it is; requests would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10, source_address=(another_address(), 0))
    try:
        connection.putrequest(method, path)
        connection.putheader("Authorization", basic(API_USER)["Authorization"])
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("auth", [OWNER, API_USER], ids=["owner", "API user"])
def test_each_api_is_at_its_own_address_and_the_default_one_at_invoke_too(apis: Stack, auth: tuple[str, str]) -> None:
    for address, name in (("/invoke", "shop"), (f"/apis/{SHOP}", "shop"), (ODD_ADDRESS, "odd")):
        for method in ("GET", "POST"):
            answer = apis.request(method, f"{address}/name", auth=auth)
            assert (answer.status_code, answer.text.strip()) == (200, name), address


def test_the_addresses_of_all_take_a_password_that_no_cell_sees(apis: Stack) -> None:
    for address in ("/invoke", f"/apis/{SHOP}", ODD_ADDRESS, "/apis/nobody"):
        refusal = apis.get(f"{address}/name", auth=None)
        assert (refusal.status_code, as_json(refusal)["extensions"]["code"]) == (401, "unauthorized")

    assert "Authorization" not in as_json(apis.get(f"{ODD_ADDRESS}/headers"))


def test_an_address_without_its_slash_leads_to_the_one_with_it(apis: Stack) -> None:
    for address in ("/apis", f"/apis/{SHOP}", ODD_ADDRESS, "/apis/x%0D%0AX-Y:y"):
        answer = apis.get(f"{address}?a=%2F", auth=None, allow_redirects=False)
        assert answer.status_code == 308
        assert answer.headers["Location"] in (f"{address}/?a=%2F", "/apis/")
    status, text = send(apis, "//evil.example/../apis/shop")
    assert (status, "not-serving" in text) == (503, True), "no path leads to another host"


@pytest.mark.parametrize(
    ("path", "status"),
    {
        "/apis/": 503,
        "/apis/nobody/name": 503,
        "/apis/Shop/name": 503,
        "/apis/shop%0A/name": 503,
        "/apis/shop%20/name": 503,
        "/apis/a%2Fb/name": 503,
        "/apis/a:b/name": 503,
        "/apis/.shop/name": 503,
        "/apis/.none/name": 503,
        "/apis/api.sock/name": 503,
        "/apis/%FF%FE/name": 503,
        f"/apis/{'n' * 91}/name": 503,
        f"/apis/{'n' * 300}/name": 503,
        f"/apis/{'n' * 9000}/name": 503,
        "/apis/%00/name": 400,
        "/apis/%/name": 400,
        "/apis/..": 401,
        "/apis/../process/stop": 401,
        "/apis/%2e%2e/process/stop": 401,
        "/apis/..%2fprocess/stop": 401,
        "/apis/shop/../../process/stop": 401,
        "/apis/shop/..%2f..%2fjupyter/api/kernels": 401,
        "//not-serving": 401,
    }.items(),
    ids=lambda value: str(value)[:40],
)
def test_an_address_of_no_api_is_said_to_be_none_and_leads_nowhere_else(apis: Stack, path: str, status: int) -> None:
    answer = send(apis, path)

    assert answer[0] == status
    assert ('"not-serving"' in answer[1]) == (status == 503)
    assert {api["state"] for api in apis.status()["apis"]} == {"serving"}


@pytest.mark.parametrize(
    "path", ["/apis/../invoke/name", "/apis/%2fshop/name", "/apis//shop/name", "/apis/./shop/name"]
)
def test_odd_spellings_of_an_address_are_no_error_of_ours(apis: Stack, path: str) -> None:
    assert send(apis, path)[0] in {200, 404}


def test_a_call_where_no_api_is_is_told_what_is_served_and_is_listed(apis: Stack) -> None:
    for method in ("GET", "POST", "DELETE", "FOO"):
        headers = {"X-Request-Id": f"nobody-{method}"}
        answer = apis.request(method, "/apis/nobody/name?token=secret", headers=headers, data=b"x" * 2000)

        assert answer.status_code == 503
        assert as_json(answer)["extensions"]["code"] == "not-serving"
        assert f"/apis/{SHOP}/" in as_json(answer)["message"]
        call = eventually(lambda: [c for c in apis.calls() if c["request_id"] == headers["X-Request-Id"]])[0]  # noqa: B023
        assert (call["method"], call["path"], call["status"]) == (method, "/apis/nobody/name", 503)
        text = apis.get(f"/process/requests/{call['id']}").json()["response"]["body"]["text"]
        assert text == answer.text
    assert apis.request("HEAD", "/apis/nobody/name").status_code == 503
    assert "token=secret" not in apis.log()


def test_each_api_says_itself_why_it_did_not_respond(apis: Stack) -> None:
    answer = apis.get(f"{ODD_ADDRESS}/exit", headers={"X-Request-Id": "ended"})

    assert (answer.status_code, as_json(answer)["extensions"]["code"]) == (502, "kernel-died")
    call = eventually(lambda: [c for c in apis.calls() if c["request_id"] == "ended"])[0]
    assert call["path"] == f"{ODD_ADDRESS}/exit"
    assert apis.get(f"/apis/{SHOP}/name").status_code == 200


def test_tools_are_below_each_api(apis: Stack) -> None:
    for address in ("", f"/apis/{SHOP}", ODD_ADDRESS):
        assert apis.get(f"{address}/mcp", auth=None).status_code == 401
        usage = apis.get(f"{address}/mcp", auth=API_USER)
        assert (usage.status_code, usage.headers["Allow"]) == (405, "POST")
