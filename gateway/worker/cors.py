"""Calls from browser pages of another origin (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from gateway.worker.protocol import Cors
from gateway.worker.request import Request
from gateway.worker.wire import Headers


class CrossOrigin:
    """The headers that let a browser hand an answer to a page."""

    def __init__(self, rules: Cors) -> None:
        self._rules = rules

    def headers(self, request: Request) -> Headers:
        """What any answer to `request` carries."""
        rules = self._rules
        # Caches must know that the answer to another origin differs.
        vary = [("Vary", "Origin")]
        origin = request.header("Origin")
        if not origin or not ("*" in rules.origins or origin in rules.origins):
            return vary
        headers = [*vary, ("Access-Control-Allow-Origin", origin)]
        if rules.credentials:
            headers.append(("Access-Control-Allow-Credentials", "true"))
        if rules.expose:
            headers.append(("Access-Control-Expose-Headers", ", ".join(rules.expose)))
        return headers

    def preflight(self, request: Request, methods: str) -> Headers:
        """What the answer to a preflight carries besides."""
        rules = self._rules
        if not request.header("Access-Control-Request-Method"):
            return []
        return [
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", ", ".join(rules.headers)),
            ("Access-Control-Max-Age", str(rules.max_age_s)),
        ]
