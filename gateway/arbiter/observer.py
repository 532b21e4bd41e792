"""Tells the control app of requests that no kernel could tell of: those that this process answers itself."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from httptools import HttpParserError, HttpRequestParser

from gateway.arbiter.settings import GatewaySettings
from gateway.http.parser import ParsedMessage
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.http.router import Router
from gateway.records.record import BODY_LIMIT, NO_TEXT, Excerpt
from gateway.records.recorder import Recorder

RawHeaders = Sequence[tuple[str, str]]


class Observer:
    """Knows the endpoints, [{"method", "path"}, …], so that a request's is found by its path."""

    def __init__(self, slot: GatewaySettings, base_url: str, endpoints: Sequence[dict[str, str]]) -> None:
        paths = [endpoint["path"] for endpoint in endpoints]
        self.recorder = Recorder(Path(slot.records), paths, keeps_records=slot.inspect)
        self._router: Router[int] = Router(base_url)
        for index, endpoint in enumerate(endpoints):
            self._router.add(endpoint["method"], endpoint["path"], index)

    def record_request(
        self,
        request: Request,
        sent: bytes,
        answer: Response,
        started: float,
        bytes_out: int | None = None,
        stderr: Excerpt = NO_TEXT,
    ) -> None:
        """As Recorder.note, of a request to whichever endpoint it is for."""
        size = len(answer.body) if bytes_out is None else bytes_out
        self.recorder.record_request(request, sent, answer, started, size, self._endpoint(request), stderr)

    def record_rejection(self, raw: bytes, body: bytes, started: float) -> None:
        """A request that got a 503 with this JSON before it was read; `raw` is its beginning."""
        message = ParsedMessage(len(raw))
        parser = HttpRequestParser(message)
        with suppress(HttpParserError):
            parser.feed_data(raw)
        if message.has_head:
            sent = message.body()
            request = Request(parser.get_method().decode(), message.target, message.headers, sent)
            request.size = int(request.header("Content-Length") or len(sent))
            answer = Response(503, [("Content-Type", "application/json")], body)
            self.record_request(request, sent[:BODY_LIMIT], answer, started)

    def _endpoint(self, request: Request) -> int:
        method = "GET" if request.method == "HEAD" else request.method
        with suppress(ValueError):
            found = self._router.find(method, request.target.partition(b"?")[0])
            if found is not None and found.target is not None:
                return found.target
        return -1


def request_of(method: str, target: str, headers: RawHeaders, size: int) -> Request:
    """A request that tornado has read, with a body of that many bytes."""
    message = ParsedMessage(0)
    for name, value in headers:
        message.on_header(name.encode("latin-1"), value.encode("utf-8", "surrogateescape"))
    request = Request(method, target.encode("utf-8", "surrogateescape"), message.headers, b"")
    request.size = size
    return request
