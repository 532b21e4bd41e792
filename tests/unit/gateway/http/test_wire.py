"""The head of a response as bytes."""

from gateway.http.wire import head, replace


def test_headers_are_replaced_whatever_their_case() -> None:
    headers = replace([("Content-Type", "a"), ("X", "1")], "content-type", ["b"])
    assert headers == [("X", "1"), ("content-type", "b")]
    assert head(418, headers).startswith(
        b"HTTP/1.1 418 I'm a Teapot\r\nX: 1\r\ncontent-type: b\r\nConnection: close\r\n"
    )
