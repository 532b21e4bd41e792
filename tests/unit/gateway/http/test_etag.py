"""Which conditional requests get a 304."""

import pytest

from gateway.http import etag
from gateway.http.request import Request
from gateway.http.response import Response


@pytest.mark.parametrize(
    ("tag", "if_none_match", "status"),
    [
        ('"v1"', '"v1"', 304),
        ('"v1"', '"v0", "v1"', 304),
        ('"v1"', ['"v0"', '"v1"'], 304),
        ('"v1"', "*", 304),
        ('"v1"', 'W/"v1"', 304),
        ('W/"v1"', '"v1"', 304),
        ('W/"v1"', 'W/"v0",W/"v1"', 304),
        ('"a,b"', '"x", "a,b"', 304),
        ("v1", "v1", 304),
        ('"v1"', '"v11"', 200),
        ("v1", '"v11"', 200),
        ("v1", "v11", 200),
        ('"v1"', '"x"v1"', 200),
        ('"1"', 'W/"x1", "21"', 200),
        ('""', '"v1"', 200),
        ('"*"', '"v1"', 200),
        ('"v1"', "", 200),
    ],
)
def test_only_a_client_that_has_this_version_is_told_so(tag: str, if_none_match: str | list[str], status: int) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""
    response = Response(200, [("Content-Type", "text/plain"), ("ETag", tag)], b"body")
    etag.apply(response, Request("GET", b"/x", {"If-None-Match": if_none_match}, b""))
    assert response.status == status
    assert response.body == (b"body" if status == 200 else b"")


def test_the_tag_of_a_body_is_known_again() -> None:
    first, second = Response(200, [], b"body"), Response(200, [], b"body")
    etag.apply(first, Request("GET", b"/x", {}, b""))
    tag = dict(first.headers)["Etag"]
    etag.apply(second, Request("GET", b"/x", {"If-None-Match": f'"other", {tag}'}, b""))
    assert (first.status, second.status) == (200, 304)
