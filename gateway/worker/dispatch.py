"""What a request is for: a handler, or an answer that takes no cell."""

from collections.abc import Iterable
from http import HTTPStatus

from gateway.http import etag
from gateway.http.request import Request
from gateway.http.response import WITHOUT_BODY, Response, json_error
from gateway.http.router import Router, allow_header
from gateway.http.static_files import StaticFiles
from gateway.http.wire import CHUNKED, Headers, content_length, head
from gateway.protocol.messages import Config
from gateway.worker.endpoint import CompiledEndpoint

Target = CompiledEndpoint | tuple[str, bytes]


class Dispatcher:
    """All that can be asked for at one `base_url`."""

    def __init__(self, config: Config, handlers: Iterable[CompiledEndpoint]) -> None:
        self._router: Router[Target] = Router(config.base_url)
        for handler, endpoint in zip(handlers, config.endpoints, strict=True):
            self._router.add(endpoint.method, endpoint.path, handler)
        for path, (kind, text) in config.static.items():
            self._router.add("GET", path, (kind, text.encode()))
        self._public = StaticFiles(config.public, f"{config.base_url}/public/")

    def find(self, request: Request) -> Response | tuple[CompiledEndpoint, dict[str, str]]:
        """The handler and the path parameters for `request`, or the answer if none is needed."""
        method = "GET" if request.method == "HEAD" else request.method
        try:
            found = self._router.find(method, request.target.partition(b"?")[0])
        except ValueError:
            return json_error(HTTPStatus.BAD_REQUEST, "bad-request", "the path is not UTF-8", request)
        if found is None:
            return self._public.find(request) or _not_found(request)
        if found.target is None:
            return self._no_such_method(request, allow_header(found.allowed))
        if isinstance(found.target, CompiledEndpoint):
            return found.target, found.path
        kind, text = found.target
        return Response(HTTPStatus.OK, [("Content-Type", kind)], text)

    def _no_such_method(self, request: Request, allowed: str) -> Response:
        allow = ("Allow", allowed)
        if request.method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT, [allow])
        message = f"this path answers {allowed}"
        return json_error(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", message, request, [allow])

    def head(self, answer: Response, request: Request, is_chunked: bool) -> bytes:
        """The head of an answer whose body is sent in pieces."""
        return head(answer.status, _headers(answer, request), CHUNKED if is_chunked else "")

    def render(self, answer: Response, request: Request | None) -> bytes:
        """All of an answer. Without `request` it is to something that was none."""
        if request is None:
            return head(answer.status, answer.headers, content_length(answer.body)) + answer.body
        etag.condition(answer, request)
        headers = _headers(answer, request)
        if answer.status in WITHOUT_BODY:
            return head(answer.status, headers)
        top = head(answer.status, headers, content_length(answer.body))
        return top if request.method == "HEAD" else top + answer.body


def _headers(answer: Response, request: Request) -> Headers:
    return [*answer.headers, ("X-Request-Id", request.request_id)]


def _not_found(request: Request) -> Response:
    status = HTTPStatus.NOT_FOUND
    # `reason` is what stock says, and what its callers may look for.
    return json_error(status, "not-found", "nothing answers at this path", request, reason=status.phrase)
