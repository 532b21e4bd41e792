"""Which headers and parameters are secret by their names, and what is left of URLs that have some."""

import time

import pytest

from gateway.records import redaction

HIDDEN = "hidden"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Authentication",
        "X-Authentication",
        "Cookie",
        "Ocp-Apim-Subscription-Key",
        "x-functions-key",
        "X-Api-Key",
        "apikey",
        "apiKey",
        "pwd",
        "userPwd",
        "db_pwd",
        "user[pwd]",
        "pass",
        "user_pass",
        "userPass",
        "sid",
        "session",
        "user-session",
        "session_id",
        "sessionId",
        "session.id",
        "sessid",
        "X-Session-Id",
        "JSESSIONID",
        "PHPSESSID",
        "ASP.NET_SessionId",
        "X-Amz-Credential",
    ],
)
def test_names_that_are_secret_in_headers_and_in_urls(name: str) -> None:
    assert redaction.mask_headers([(name, HIDDEN)]) == [(name, None)]
    assert redaction.mask_url(f"/x?a=1&{name}={HIDDEN}&b=2") == f"/x?a=1&{name}=***&b=2"


@pytest.mark.parametrize(
    "name", ["sig", "X-Amz-Signature", "X-Goog-Signature", "Signature", "oauth_signature", "url.sig"]
)
def test_a_signature_opens_a_url_but_is_only_a_digest_in_a_header(name: str) -> None:
    assert redaction.mask_url(f"/x?{name}={HIDDEN}") == f"/x?{name}=***"
    assert redaction.mask_headers([(name, "shown")]) == [(name, "shown")]


@pytest.mark.parametrize(
    "name",
    [
        "passenger",
        "passengers",
        "compass",
        "bypass",
        "pass_count",
        "design",
        "signal",
        "signed_up",
        "assign",
        "keyboard",
        "key",
        "sort_key",
        "monkey",
        "presidio",
        "side",
        "AccountSid",
        "sessions",
        "session_length",
        "assess_id",
        "process_id",
        "author",
        "X-Author",
        "X-Hub-Signature-256",
        "Stripe-Signature",
    ],
)
def test_ordinary_names_stay_readable(name: str) -> None:
    assert redaction.mask_headers([(name, "shown")]) == [(name, "shown")]
    if not name.endswith("Signature"):
        assert redaction.mask_url(f"/x?{name}=shown") == f"/x?{name}=shown"


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ("https://x.example/y?anything=hidden&hidden", "https://x.example/y?***"),
        ("https://x.example/y", "https://x.example/y"),
        ("https://x.example/y#part", "https://x.example/y#part"),
    ],
)
@pytest.mark.parametrize("name", ["Referer", "referer"])
def test_of_a_referer_the_whole_query_goes(name: str, value: str, rest: str) -> None:
    assert redaction.mask_headers([(name, value)]) == [(name, rest)]


@pytest.mark.parametrize(
    ("name", "value", "rest"),
    [
        ("Location", "https://x/y?to%6ben=hidden&b=2", "https://x/y?to%6ben=***&b=2"),
        ("Location", "/y?b=2#access_token=hidden&state=s", "/y?b=2#access_token=***&state=s"),
        ("X-Original-URL", "/y?pwd=hidden", "/y?pwd=***"),
        ("X-Forwarded-Uri", "/y?b=2&sig=hidden", "/y?b=2&sig=***"),
        ("Content-Location", "/y?api_key=", "/y?api_key=***"),
        ("Link", '</y?token=hidden&p=2>; rel="next", </y?sid=hidden>', '</y?token=***&p=2>; rel="next", </y?sid=***>'),
        ("X-Note", "really? yes; token=shown, a == b", "really? yes; token=shown, a == b"),
    ],
)
def test_of_urls_in_other_headers_secret_parameters_go(name: str, value: str, rest: str) -> None:
    assert redaction.mask_headers([(name, value)]) == [(name, rest)]


def test_a_name_that_is_told_apart_by_encoding_is_no_way_out() -> None:
    assert redaction.mask_url("/x?p%77d=hidden&user%5Bpass%5D=hidden&token") == "/x?p%77d=***&user%5Bpass%5D=***&token"


@pytest.mark.parametrize(
    "text",
    ["?" + "a" * 100_000, "?a" * 50_000, "?=" * 50_000, "-pass" + "-" * 100_000 + "x", "-sig-" * 20_000, "aB" * 50_000],
)
def test_text_of_any_length_is_masked_in_no_time(text: str) -> None:
    began = time.monotonic()
    redaction.mask_headers([(text, text), ("Location", text), ("Referer", text)])
    redaction.mask_url(f"/x?{text}={text}&" + "&a" * 50_000)
    assert time.monotonic() - began < 5  # where it takes the square of the length: a minute
