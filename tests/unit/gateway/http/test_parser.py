"""How the request of a connection is read."""

import socket

from gateway.http.parser import RequestParser


def test_a_second_request_on_the_connection_changes_nothing_of_the_first() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HEAD /first HTTP/1.1\r\n\r\nDELETE /second HTTP/1.1\r\nHost: x\r\n\r\n")
        parser = RequestParser(max_body=1000)
        assert parser.receive(ours)
    request = parser.request()
    assert (request.method, request.target, request.headers) == ("HEAD", b"/first", {})
