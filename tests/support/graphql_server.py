"""A GraphQL server over HTTP that stands for Hasura: it wants the admin secret, and can be made to fail."""

import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from ariadne import SchemaBindable, graphql_sync, make_executable_schema
from werkzeug import Request, Response
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

ADMIN_SECRET = "the-admin-secret-of-the-tests"
Mode = Literal["well", "slow", "refusing", "erroring", "junk"]
JUNK = {  # answers with a 200 that are none of Hasura's
    "a page": b"<!doctype html><title>Welcome</title>",
    "half an answer": b'{"data": {"update_cust',
    "nothing": b"",
    "a list": b"[]",
    "an error of another form": b'{"errors": [{"message": "no", "extensions": null}]}',
    "an error that is a text": b'{"errors": ["no"]}',
}


@dataclass
class ReceivedRequest:
    """What a client sent: header names in lower case."""

    query: str
    variables: dict[str, Any]
    headers: dict[str, str]


class GraphQLServer:
    """Serves the schema on a loopback port; use it as a context manager.

    `mode` may be set at any time: `slow` does what it is asked and holds its answer until the mode changes or the
    server stops, `refusing` answers 503 as a proxy would, `erroring` answers 200 with a GraphQL error of `error_code`,
    `junk` answers 200 with the bytes in `junk`.
    `admin_secret` may be changed too, as one that is rotated.
    `stop()` takes the server away, also from clients that are connected; `start()` brings it back at its address.
    """

    def __init__(self, type_defs: str, *bindables: SchemaBindable, admin_secret: str = ADMIN_SECRET) -> None:
        self.requests: list[ReceivedRequest] = []
        self.error_code = "unexpected"
        self.junk = JUNK["a page"]
        self._schema = make_executable_schema(type_defs, *bindables)
        self.admin_secret = admin_secret
        self._mode: Mode = "well"
        self._gate = threading.Event()
        self._port = 0
        self._server: _Server | None = None

    def __enter__(self) -> "GraphQLServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1/graphql"

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._release()

    def start(self) -> None:
        """Nothing happens if it is running already."""
        if self._server:
            return
        application = Request.application(lambda request: self._answer(request))
        self._server = _Server("127.0.0.1", self._port, application, _Quiet)
        self._port = self._server.port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Nothing happens if it is stopped already."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._server = None
        self._release()

    def _release(self) -> None:
        old_gate, self._gate = self._gate, threading.Event()
        old_gate.set()

    def _answer(self, request: Request) -> Response:
        body = request.get_json()
        headers = {name.lower(): value for name, value in request.headers}
        self.requests.append(ReceivedRequest(body["query"], body.get("variables") or {}, headers))
        gate, mode = self._gate, self._mode
        response = self._respond(body, headers, mode)
        if mode == "slow":
            gate.wait()
        return response

    def _respond(self, body: dict[str, Any], headers: dict[str, str], mode: Mode) -> Response:
        if mode == "refusing":
            return Response("no healthy upstream", 503)
        if mode == "junk":
            return Response(self.junk, content_type="application/json")
        if headers.get("x-hasura-admin-secret") != self.admin_secret:
            return _error("access-denied", 'invalid "x-hasura-admin-secret"/"x-hasura-access-key"')
        if mode == "erroring":
            return _error(self.error_code, "database query error")
        _, result = graphql_sync(self._schema, body)
        return _json(result)


def _error(code: str, message: str) -> Response:
    """An error as Hasura v2 answers it at /v1/graphql: the status is 200."""
    return _json({"errors": [{"message": message, "extensions": {"path": "$", "code": code}}]})


def _json(result: Any) -> Response:
    return Response(json.dumps(result), content_type="application/json; charset=utf-8")


class _Server(ThreadedWSGIServer):
    """It knows its connections, so that stopping it ends those that clients keep open."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def drop_connections(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Quiet(WSGIRequestHandler):
    """No line on stderr for each request."""

    def log(self, *_: Any) -> None:
        pass
