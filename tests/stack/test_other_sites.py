"""What a page can do to whoever looks at it: one that the API answers, and one of another site."""

from collections.abc import Callable

import pytest

from tests.support.stack import API_USER, Stack, as_json

CELLS = [
    "import flask, json",
    "# GET /typed/:kind/:sub\nkind = '/'.join(json.loads(REQUEST)['path'].values())\n"
    "flask.Response('<b>hi</b>', mimetype=kind)",
    "# GET /broken\nflask.abort(flask.Response('<b>no</b>', 404, mimetype='text/html'))",
    "# GET /policy\nflask.Response('<b>hi</b>', mimetype='text/html', headers={'Content-Security-Policy': 'sandbox'})",
    "# GET /printed\nprint('<b>hi</b>')",
    "# ResponseInfo GET /printed\nprint(json.dumps({'headers': {'Content-Type': 'TEXT/HTML;charset=utf-8'}}))",
    "# GET /x\nprint('x')",
    "# POST /x\nprint('posted')",
    "# GET /fails\n1 / 0",
    "# GET /accelerated\ntarget = json.loads(REQUEST)['headers']['X-Target']\n"
    "flask.Response('of the cell', headers={'X-Accel-Redirect': target})",
]
SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-downloads"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}
SCRIPTED = [
    "text/html",
    "text/rdf",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/xml",
    "application/xml",
    "application/rss+xml",
]
PLAIN = ["text/plain", "application/json", "image/png", "text/css", "application/octet-stream"]


@pytest.fixture
def pages(stack: Stack) -> Stack:
    if stack.status()["notebook"] != "pages":
        stack.serve("pages", CELLS)
    return stack


@pytest.mark.parametrize("kind", SCRIPTED)
def test_an_answer_that_can_run_scripts_is_put_in_a_sandbox(pages: Stack, kind: str) -> None:
    answer = pages.invoke(f"typed/{kind}", auth=API_USER)

    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.headers["Content-Security-Policy"] == SANDBOX


def test_so_is_an_error_and_what_a_cell_prints(pages: Stack) -> None:
    for path, status in (("broken", 404), ("printed", 200)):
        answer = pages.invoke(path)
        assert (answer.status_code, answer.headers["Content-Security-Policy"]) == (status, SANDBOX)


def test_at_an_apis_own_address_pages_are_sandboxed_too(pages: Stack) -> None:
    assert pages.get("/apis/pages/typed/text/html").headers["Content-Security-Policy"] == SANDBOX


@pytest.mark.parametrize("kind", PLAIN)
def test_any_other_answer_is_what_it_was(pages: Stack, kind: str) -> None:
    assert "Content-Security-Policy" not in pages.invoke(f"typed/{kind}").headers


def test_a_cells_own_policy_is_kept(pages: Stack) -> None:
    assert pages.invoke("policy").headers["Content-Security-Policy"] == "sandbox"


def test_no_browser_guesses_what_an_answer_is(pages: Stack) -> None:
    for path in ("x", "typed/text/html", "fails", "nowhere", "_api/spec/openapi.json"):
        assert pages.invoke(path).headers["X-Content-Type-Options"] == "nosniff"
    for auth in (None, ("nobody", "not-the-password")):
        assert pages.invoke("x", auth=auth).headers["X-Content-Type-Options"] == "nosniff"


def test_a_setting_trusts_the_pages(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(TRUST_PAGES="1").start()
    stack.serve("pages", CELLS)

    answer = stack.invoke("typed/text/html")

    assert "Content-Security-Policy" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_cell_that_passes_on_foreign_headers_leads_nobody_to_the_owners_addresses(pages: Stack) -> None:
    for path in ("process/stop", "process/status", "jupyter/api/contents", "@process"):
        target = path if path.startswith("@") else f"/{path}"
        answer = pages.invoke("accelerated", headers={"X-Target": target})
        assert (answer.status_code, answer.text) == (200, "of the cell")
        assert "X-Accel-Redirect" not in answer.headers
    assert pages.status()["state"] == "serving"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", **BROWSER},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", **BROWSER},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", **BROWSER},
        {"Origin": "http://evil.example", **BROWSER},  # plain HTTP
        {"Origin": "null", **BROWSER},  # a page in a sandbox
        {"Origin": "http://127.0.0.1", **BROWSER},  # another port
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_another_site_makes_a_browser_send_reaches_no_cell(
    pages: Stack, headers: dict[str, str], method: str
) -> None:
    refusal = pages.invoke("x", method, headers=headers)

    assert refusal.status_code == 403
    assert as_json(refusal)["extensions"]["code"] == "cross-site"
    assert "CORS_ORIGINS" in as_json(refusal)["message"]


def test_a_form_that_another_site_sends_is_refused_though_it_opens_a_page(pages: Stack) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **BROWSER}

    assert pages.invoke("x", "POST", headers=headers).status_code == 403
    assert pages.invoke("x", "GET", headers=headers).status_code == 200, "a person who follows a link gets the page"


@pytest.mark.parametrize(
    "headers",
    [
        BROWSER,
        {"Sec-Fetch-Site": "same-origin", **BROWSER},
        {"Sec-Fetch-Site": "none", **BROWSER},
        # Hasura passes on the headers of whoever called it, and says whose they were.
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "X-Forwarded-User-Agent": BROWSER["User-Agent"]},
        {"Origin": "https://app.example"},  # a program
    ],
    ids=str,
)
def test_what_no_other_site_has_caused_is_answered(pages: Stack, headers: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        assert pages.invoke("x", method, headers=headers).status_code == 200
    assert pages.invoke("x", headers={"Origin": pages.url, **BROWSER}).status_code == 200
