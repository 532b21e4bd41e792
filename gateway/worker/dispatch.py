"""Dispatches a request to its endpoint, or to a response that needs no cell; renders responses."""

from collections.abc import Iterable
from http import HTTPStatus

from gateway.http import address, etag
from gateway.http.request import Request
from gateway.http.response import WITHOUT_BODY, Response, json_error
from gateway.http.router import Router, allow_header
from gateway.http.static_files import StaticFiles
from gateway.http.wire import CHUNKED, Headers, content_length, head
from gateway.protocol.messages import Config, StaticText
from gateway.worker.endpoint import CompiledEndpoint

Target = CompiledEndpoint | StaticText


class Dispatcher:
    """All routes below the API's addresses; `endpoints` are those of `config` in order."""

    def __init__(self, config: Config, endpoints: Iterable[CompiledEndpoint]) -> None:
        self._router: Router[Target] = Router(config.address)
        for endpoint, source in zip(endpoints, config.endpoints, strict=True):
            self._router.add(source.method, source.path, endpoint)
        for path, text in config.static.items():
            self._router.add("GET", path, text)
        self._static_files = StaticFiles(config.public)

    def dispatch(self, request: Request) -> Response | tuple[CompiledEndpoint, dict[str, str]]:
        """The endpoint and the path parameters for `request`, or the response if no cell has to run."""
        method = "GET" if request.method == "HEAD" else request.method
        try:
            match = self._router.find(method, request.target.partition(b"?")[0])
        except ValueError:
            return json_error(HTTPStatus.BAD_REQUEST, "bad-request", "the path is not UTF-8", request)
        if match is None:
            return self._static_files.find(request) or _not_found(request)
        if match.target is None:
            return _method_not_allowed(request, allow_header(match.allowed))
        if isinstance(match.target, CompiledEndpoint):
            return match.target, match.path
        text = match.target.at(own_address=address.is_own(request.target))
        return Response(HTTPStatus.OK, [("Content-Type", match.target.kind)], text.encode())

    def head(self, request: Request, response: Response, is_chunked: bool) -> bytes:
        """The head of a response whose body is streamed."""
        return head(response.status, _headers(response, request), CHUNKED if is_chunked else "")

    def render(self, response: Response, request: Request | None) -> bytes:
        """A whole response. `request` is None if it could not be parsed."""
        if request is None:
            return head(response.status, response.headers, content_length(response.body)) + response.body
        etag.apply(response, request)
        headers = _headers(response, request)
        if response.status in WITHOUT_BODY:
            return head(response.status, headers)
        top = head(response.status, headers, content_length(response.body))
        return top if request.method == "HEAD" else top + response.body


def _headers(response: Response, request: Request) -> Headers:
    return [*response.headers, ("X-Request-Id", request.request_id)]


def _method_not_allowed(request: Request, allowed: str) -> Response:
    allow = ("Allow", allowed)
    if request.method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, [allow])
    message = f"this path allows {allowed}"
    return json_error(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", message, request, [allow])


def _not_found(request: Request) -> Response:
    status = HTTPStatus.NOT_FOUND
    # Stock responds with `reason`, which clients may read.
    return json_error(status, "not-found", "no endpoint at this path", request, reason=status.phrase)
