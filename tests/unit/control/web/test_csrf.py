"""Which calls count as sent by another web site."""

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from control.config.settings import Settings
from control.web.app import create_app
from control.web.csrf import refuse_cross_site

HOST = "notebooks.example:8080"
HERE = f"http://{HOST}"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)

    @app.route("/change", methods=["GET", "POST"])
    def change() -> str:
        refuse_cross_site(request)
        return "done"

    return app.test_client()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),  # curl, a script
        ({"Sec-Fetch-Site": "same-origin"}, 200),  # our own page
        ({"Sec-Fetch-Site": "none"}, 200),  # a typed address, a bookmark
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),  # a neighbour's subdomain, or another port of this host
        ({"Sec-Fetch-Site": "nonsense"}, 403),
        ({"Origin": HERE}, 200),
        ({"Origin": f"https://{HOST}"}, 200),  # a proxy in front ends TLS
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://notebooks.example"}, 403),  # another port
        ({"Origin": f"http://evil.example/{HOST}"}, 403),
        ({"Origin": f"http://{HOST}.evil.example"}, 403),
        ({"Origin": f"http://evil@{HOST}"}, 403),
        ({"Origin": "null"}, 403),  # a sandboxed frame, a redirect
        ({"Origin": ""}, 403),
        # What the browser says of the site goes before what it says of the origin.
        ({"Sec-Fetch-Site": "cross-site", "Origin": HERE}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": HERE}, 200),
    ],
)
def test_only_requests_from_this_site_or_from_no_browser_pass(
    client: FlaskClient, method: str, headers: dict[str, str], code: int
) -> None:
    assert client.open("/change", method=method, base_url=HERE, headers=headers).status_code == code


BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 403),  # plain HTTP: an image of another site looks the same as a typed address
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": HERE}, 200),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_browser_that_may_have_been_led_here_is_shown_one_button(headers: dict[str, str], code: int) -> None:
    settings = Settings.from_env({"RUN_DIR": "/tmp/r"})  # noqa: S108 where nothing runs
    client = create_app(settings, resume=False).test_client()

    response = client.get("/process/stop?a=1&b=%3Cscript%3E", base_url=HERE, headers={**BROWSER, **headers})
    head = client.head("/process/stop", base_url=HERE, headers={**BROWSER, **headers})

    assert head.status_code == response.status_code, "HEAD changes as much as GET"

    if code == 403:
        assert response.status_code == 403
        assert response.text.count("<button") == 1
        assert '<form method="post" action="/process/stop?a=1&amp;b=%3Cscript%3E">' in response.text
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    else:
        assert response.status_code != 403


def test_a_browsers_post_without_a_word_on_its_site_passes(client: FlaskClient) -> None:
    assert client.post("/change", base_url=HERE, headers=BROWSER).status_code == 200


def test_the_rejection_says_what_to_do(client: FlaskClient) -> None:
    response = client.post("/change", base_url=HERE, headers={"Sec-Fetch-Site": "cross-site"})

    assert "Use the button on the homepage" in response.get_data(as_text=True)
