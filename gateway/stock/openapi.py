"""Serves the OpenAPI document of a notebook in another language than Python.

It lacks what is read from Python cells only: examples of REQUEST, and what a ResponseInfo cell prints.
"""

from typing import Any

from tornado import web

from gateway.http import address
from gateway.notebook import endpoint_docs, openapi
from gateway.protocol.messages import StaticText


class OpenApiHandler(web.RequestHandler):
    def initialize(self, document: StaticText) -> None:
        self.document = document

    def get(self) -> None:
        self.set_header("Content-Type", self.document.kind)
        self.finish(self.document.at(own_address=address.is_own(self.request.path.encode())))


def route(personality: Any) -> tuple[Any, ...]:
    """The route to the document of a StockPersonality's notebook."""
    app, parser = personality.parent, personality.api_parser

    def keys_of(source: str) -> list[endpoint_docs.Key]:
        path, method = parser.get_cell_endpoint_and_verb(source)
        return [(method, path)] if path else []

    text, docs = endpoint_docs.read(app.notebook.content.cells, keys_of)
    infos = dict(parser.endpoint_responses(app.notebook.cells))
    operations = [
        openapi.Operation(e["method"], e["path"], infos.get(e["path"], {}).get(e["method"], ""))
        for e in personality.endpoints()
    ]
    document = openapi.serve(openapi.build(app.slot.project, text, operations, docs), app.slot.address)
    return app.base_url + openapi.PATH, OpenApiHandler, {"document": document}
