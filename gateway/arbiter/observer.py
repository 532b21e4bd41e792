"""Records requests that no kernel could record: those that the gateway answers itself."""

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


class Observer:
    """Records requests under their endpoint, one of [{"method", "path"}, …]."""

    def __init__(self, slot: GatewaySettings, endpoints: Sequence[dict[str, str]]) -> None:
        paths = [endpoint["path"] for endpoint in endpoints]
        self.recorder = Recorder(Path(slot.records), slot.project, paths, keeps_records=slot.inspect)
        self._router: Router[int] = Router(slot.address)
        for index, endpoint in enumerate(endpoints):
            self._router.add(endpoint["method"], endpoint["path"], index)

    def record_request(
        self,
        request: Request,
        request_body: bytes,
        response: Response,
        started: float,
        response_size: int | None = None,
        stderr: Excerpt = NO_TEXT,
    ) -> None:
        """As Recorder.record_request, with the endpoint found by the path."""
        size = len(response.body) if response_size is None else response_size
        endpoint = self._find_endpoint(request)
        self.recorder.record_request(request, request_body, response, started, size, endpoint, stderr)

    def record_rejection(self, raw: bytes, body: bytes, started: float) -> None:
        """Record a request that was rejected with a 503 and this JSON before it was read; `raw` is its beginning."""
        message = ParsedMessage(len(raw))
        parser = HttpRequestParser(message)
        with suppress(HttpParserError):
            parser.feed_data(raw)
        if message.has_head:
            request_body = message.body()
            request = Request(parser.get_method().decode(), message.target, message.headers, request_body)
            request.size = int(request.header("Content-Length") or len(request_body))
            response = Response(503, [("Content-Type", "application/json")], body)
            self.record_request(request, request_body[:BODY_LIMIT], response, started)

    def _find_endpoint(self, request: Request) -> int:
        method = "GET" if request.method == "HEAD" else request.method
        with suppress(ValueError):
            match = self._router.find(method, request.target.partition(b"?")[0])
            if match is not None and match.target is not None:
                return match.target
        return -1


def build_request(method: str, target: str, headers: Sequence[tuple[str, str]], size: int) -> Request:
    """A request that tornado has read; `size` is that of its body."""
    message = ParsedMessage(0)
    for name, value in headers:
        message.on_header(name.encode("latin-1"), value.encode("utf-8", "surrogateescape"))
    request = Request(method, target.encode("utf-8", "surrogateescape"), message.headers, b"")
    request.size = size
    return request
